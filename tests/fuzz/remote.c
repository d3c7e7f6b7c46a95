/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the script on another host says when QEMU has ended: CPU time, statistics and counts. */
#include <math.h>

#include "ab/counts.h"
#include "ab/remote.h"
#include "memfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memfile log = memfile_new(data, size), stats = memfile_new("", 0);
	struct memfile counts = memfile_new("", 0);
	struct counts_files files = {stats.path, counts.path};
	struct sample sample = sample_new(0, 1, false);
	struct remote_end end;

	remote_read_end(log.path, stats.path, counts.path, &end);
	ENSURE(isfinite(end.cpu_seconds));
	ENSURE(end.cpu_seconds >= 0 || end.cpu_seconds == -1);
	/* No more has been copied than was there. */
	ENSURE(lseek(stats.fd, 0, SEEK_END) + lseek(counts.fd, 0, SEEK_END) <= (off_t)size);
	counts_read(&files, &files, &sample);
	ENSURE(sample.counts_source == sample.counts_destination);
	close(log.fd);
	close(stats.fd);
	close(counts.fd);
	return 0;
}
