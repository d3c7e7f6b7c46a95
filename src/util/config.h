/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef RDMACHUNK_UTIL_CONFIG_H
#define RDMACHUNK_UTIL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* The smallest and largest region: QEMU's own chunk, and what its
 * x-rdma-chunk-size parameter (QEMU 11.1) allows at most. */
#define CONFIG_SHIFT_MIN     20
#define CONFIG_SHIFT_MAX     30
#define CONFIG_SHIFT_DEFAULT 30

/* Threads that register ahead of QEMU, at most. */
#define CONFIG_THREADS_MAX 8

enum config_log_level {
	CONFIG_LOG_OFF,
	CONFIG_LOG_ERROR,
	CONFIG_LOG_WARN,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

/* Whether a thread posts writes in the place of QEMU's. */
enum config_poster {
	CONFIG_POSTER_AUTO, /* where posting takes long */
	CONFIG_POSTER_ON,
	CONFIG_POSTER_OFF,
};

/* Room for one complaint; several are kept, each one line without newline. */
#define CONFIG_MESSAGE_LEN  320
#define CONFIG_MESSAGES_MAX 8

struct config {
	/* false: pure pass-through, because of RDMACHUNK_SHIFT=off or a bad value */
	bool enabled;
	/* region size is 2^shift bytes, CONFIG_SHIFT_MIN to CONFIG_SHIFT_MAX */
	unsigned int shift;
	bool writes;   /* complete WRITEs early and merge them */
	bool zeros;    /* merge COMPRESS messages */
	bool prefetch; /* register piece by piece, ahead of QEMU */
	/* by so many threads, up to CONFIG_THREADS_MAX; 0: as suits the machine */
	unsigned int threads;
	enum config_poster poster;
	enum config_log_level log_level;
	/* NULL: standard error. Points into the environment given. */
	const char *log_file;
	/* NULL: no statistics; "stderr"; or a path, in which %p is the process id */
	const char *stats;
	/* NULL: none; or a path, in which %p is the process id: util/switch_file.h */
	const char *switch_file;

	/* Values that could not be used: each turns the shim off. */
	char error[CONFIG_MESSAGES_MAX][CONFIG_MESSAGE_LEN];
	size_t errors;
	/* Variables with our prefix that are ignored: we do not know them, or a newer name
	 * says otherwise. */
	char warning[CONFIG_MESSAGES_MAX][CONFIG_MESSAGE_LEN];
	size_t warnings;

	/* Which of the two spellings of the region size were given. */
	bool shift_given, size_given;
	unsigned int shift_value, size_value;
	/* While parsing: see config_parse_typed(). */
	const char *const *typed;
	/* Which of the two names of `prefetch` were given, and what the old one says. */
	bool prefetch_given, ahead_given, ahead_value;
};

/* One environment variable. The manual page lists exactly these. */
struct config_variable {
	const char *name;
	const char *fallback; /* what holds when it is unset, for people */
	/* Returns false, touching nothing, when `value` is not allowed. */
	bool (*parse)(struct config *cfg, const char *value);
	const char *allowed; /* ends the complaint: "... is not allowed: use <allowed>" */
	const char *help;
};

/* Ends with an entry whose name is NULL. */
extern const struct config_variable config_variables[];

/*
 * Fill *cfg from an environment in the form of environ(7). Never fails: what
 * cannot be used is described in cfg->error and leaves cfg->enabled false, so
 * that the migration runs as it would without the shim. Prints nothing.
 */
void config_parse(struct config *cfg, char *const *environment);

/* What the variables call the poster and the log's levels. */
extern const char *const config_poster_names[];
extern const char *const config_log_names[];

/*
 * The same, where some of the variables were set by options of a command line: typed[i] is what
 * the user typed for config_variables[i], such as "--shift", or NULL. Complaints name that.
 */
void config_parse_typed(struct config *cfg, char *const *environment, const char *const *typed);

/*
 * Copy `path` to `out` (`len` bytes) with each %p replaced by `pid` and %% by
 * one percent sign. Returns 0, or -ENAMETOOLONG.
 */
int config_expand_path(char *out, size_t len, const char *path, long pid);

#endif
