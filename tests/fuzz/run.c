/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main() of a target without libFuzzer: runs the files and directories named, by default the
 * target's corpus, so that what fuzzing has found stays found with any compiler.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned int runs;

static void complain(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(1);
}

static void run_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "re");
	uint8_t *data = malloc(size ? size : 1);

	if (!file || !data || fread(data, 1, size, file) != size)
		complain(path);
	fclose(file);
	/* Seen only when it is the last one: for whoever looks why this program has died. */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	runs++;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void run_path(const char *path)
{
	struct dirent **entries;
	char inside[PATH_MAX];
	struct stat st;
	int count;

	if (stat(path, &st))
		complain(path);
	if (!S_ISDIR(st.st_mode)) {
		run_file(path, (size_t)st.st_size);
		return;
	}
	count = scandir(path, &entries, not_hidden, alphasort);
	if (count < 0)
		complain(path);
	for (int i = 0; i < count; i++) {
		snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
		free(entries[i]);
		run_path(inside);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir"), *name = strrchr(argv[0], '/');
	char corpus[PATH_MAX];

	name = name ? name + 1 : argv[0];
	snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", source ? source : ".", name);
	for (int i = 1; i < argc; i++)
		run_path(argv[i]);
	if (argc < 2)
		run_path(corpus);
	if (!runs) {
		printf("FAIL %s no inputs\n", name);
		return 1;
	}
	printf("ok %s, %u inputs\n1 passed, 0 failed, 0 skipped\n", name, runs);
	return 0;
}
