// SPDX-License-Identifier: GPL-2.0-or-later
#include "stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of values already in order. */
static double middle(const double *sorted, size_t n)
{
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double stats_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), ascending);
	return middle(values, n);
}

/*
 * probability[t] for t = 0 to n(n+1)/2: each rank adds itself to the sum or not, with even odds.
 * To be freed by the caller; NULL: no memory.
 */
static double *signed_rank_distribution(size_t n)
{
	size_t max = n * (n + 1) / 2, reached = 0;
	double *p = calloc(max + 1, sizeof(*p));

	if (!p)
		return NULL;
	p[0] = 1;
	for (size_t rank = 1; rank <= n; rank++) {
		reached += rank;
		for (size_t t = reached + 1; t-- > 0;)
			p[t] = (p[t] + (t >= rank ? p[t - rank] : 0)) / 2;
	}
	return p;
}

double stats_signed_rank_cdf(size_t n, size_t t)
{
	size_t max = n * (n + 1) / 2;
	double *p, sum = 0;

	if (n > STATS_PAIRS_MAX || !(p = signed_rank_distribution(n)))
		return NAN;
	for (size_t i = 0; i <= t && i <= max; i++)
		sum += p[i];
	free(p);
	return sum;
}

/*
 * How many of the Walsh averages to leave out at each end of their order: the most for which the
 * confidence is still @wanted, none if there is no such number. Sets *got to the confidence.
 */
static int averages_to_drop(size_t n, double wanted, size_t *drop, double *got)
{
	double *p = signed_rank_distribution(n), tail;

	if (!p)
		return -1;
	*drop = 0;
	tail = p[0];
	while (*drop + 1 < n * (n + 1) / 4 && 1 - 2 * (tail + p[*drop + 1]) >= wanted)
		tail += p[++*drop];
	*got = 1 - 2 * tail;
	free(p);
	return 0;
}

int stats_location(const double *values, size_t n, double confidence,
		   struct stats_location *location)
{
	size_t count = n * (n + 1) / 2, k = 0, drop;
	double *walsh, got;

	if (!n || n > STATS_PAIRS_MAX)
		return -1;
	walsh = calloc(count, sizeof(*walsh));
	if (!walsh || averages_to_drop(n, confidence, &drop, &got)) {
		free(walsh);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++)
			walsh[k++] = (values[i] + values[j]) / 2;
	qsort(walsh, count, sizeof(*walsh), ascending);
	location->estimate = middle(walsh, count);
	location->low = walsh[drop];
	location->high = walsh[count - 1 - drop];
	location->confidence = n < 2 ? 0 : got;
	free(walsh);
	return 0;
}

int stats_ratio(const double *a, const double *b, size_t n, double confidence,
		struct stats_location *location)
{
	double *logs = n ? calloc(n, sizeof(*logs)) : NULL;
	struct stats_location l;
	int ret = logs ? 0 : -1;

	for (size_t i = 0; i < n && !ret; i++) {
		if (!(a[i] > 0 && b[i] > 0))
			ret = -1;
		else
			logs[i] = log(a[i]) - log(b[i]);
	}
	if (!ret)
		ret = stats_location(logs, n, confidence, &l);
	if (!ret)
		*location = (struct stats_location){exp(l.estimate), exp(l.low), exp(l.high),
						    l.confidence};
	free(logs);
	return ret;
}
