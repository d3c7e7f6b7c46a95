/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics for few measurements. A ratio is estimated from rounds in which both variants were
 * measured: the Hodges-Lehmann estimate on the differences of logarithms, with the confidence
 * interval that belongs to the exact distribution of Wilcoxon's signed rank statistic (Hollander,
 * Wolfe, Chicken, "Nonparametric Statistical Methods", 3rd ed., 3.1 to 3.3). It supposes that the
 * differences are independent and symmetric about their centre, not that they are normal.
 */
#ifndef TOOLS_AB_STATS_H
#define TOOLS_AB_STATS_H

#include <stdbool.h>
#include <stddef.h>

/* Of @n > 0 values; @values is sorted in place. */
double stats_median(double *values, size_t n);

/*
 * P(T <= t) for Wilcoxon's signed rank statistic T of @n (at most STATS_PAIRS_MAX) differences
 * without ties, when nothing differs.
 */
#define STATS_PAIRS_MAX 500
double stats_signed_rank_cdf(size_t n, size_t t);

struct stats_location {
	double estimate, low, high;
	double confidence; /* of the interval, 0 to 1; 0: there is none (fewer than 2 values) */
};

/*
 * Centre of @n (1 to STATS_PAIRS_MAX) values, and the shortest interval whose confidence is at
 * least @confidence; when so few values cannot give that, the longest there is, with its own lower
 * confidence. Returns 0, or -1 without memory or with a bad n.
 */
int stats_location(const double *values, size_t n, double confidence,
		   struct stats_location *location);

/* The same for the ratio of @a[i] to @b[i], which must all be above zero. */
int stats_ratio(const double *a, const double *b, size_t n, double confidence,
		struct stats_location *location);

/* Fewest pairs that can give an interval of 95 % confidence. */
#define STATS_PAIRS_MIN 6

#endif
