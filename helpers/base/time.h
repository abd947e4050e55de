/*
 * base/time: dates in text.
 *
 * Promise: times are seconds since 1970.  In text they are RFC 3339 in UTC, "2026-02-03T04:05:06Z", for existing days
 * of the years 1970 to 9999.  The parser also takes a fraction, which it drops, and a leap second; nothing else: no
 * offset, no lower case, no blank.
 */
#ifndef OKV_BASE_TIME_H
#define OKV_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { TIME_STAMP_SIZE = 21, TIME_CLOCK_STEP_S = 300 /* by which NTP may set a clock back */ };

int64_t time_now(void);
/* A time out of that range is written as 1970-01-01T00:00:00Z. */
void time_format(int64_t seconds, char ret_stamp[TIME_STAMP_SIZE]);
/* The day alone, "2026-02-03"; returns `stamp`. */
const char *time_day(int64_t seconds, char stamp[TIME_STAMP_SIZE]);
bool time_parse(const char *stamp, size_t length, int64_t *ret_seconds);
/* Parses the HTTP date (RFC 9110, 5.6.7) that the string starts with: "Sun, 06 Nov 1994 08:49:37 GMT". */
bool time_parse_http(const char *date, int64_t *ret_seconds);
/*
 * Adds "40 s old", "5 min old", "3 h old" or "12 d old"; if it is less than -TIME_CLOCK_STEP_S, "dated 12 d in the
 * future".
 */
void time_add_age(int64_t seconds, struct text *out);

#endif
