/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The statistics and counts of both ends, as the A/B tool reads them: four files. */
#include <math.h>

#include "ab/counts.h"
#include "memfile.h"

#define FILES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum metric metrics[] = {
		METRIC_REGISTRATIONS_SOURCE,
		METRIC_REGISTRATIONS_DESTINATION,
		METRIC_MESSAGES,
		METRIC_WORK_REQUESTS,
	};
	struct input in = {data, size};
	struct memfile file[FILES];
	size_t len[FILES];
	struct counts_files source = {file[0].path, file[1].path};
	struct counts_files destination = {file[2].path, file[3].path};
	struct sample sample = sample_new(0, 1, false);

	for (int i = 0; i < FILES; i++)
		len[i] = (size_t)input_8(&in) * 8;
	for (int i = 0; i < FILES; i++) {
		len[i] = len[i] < in.left ? len[i] : in.left;
		file[i] = memfile_new(in.at, len[i]);
		in.at += len[i];
		in.left -= len[i];
	}
	counts_read(&source, &destination, &sample);
	ENSURE((unsigned int)sample.counts_source < SAMPLE_COUNTS);
	ENSURE((unsigned int)sample.counts_destination < SAMPLE_COUNTS);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		double value = sample.value[metrics[i]];

		ENSURE(isnan(value) || (isfinite(value) && value >= 0));
	}
	for (int i = 0; i < FILES; i++)
		close(file[i].fd);
	return 0;
}
