/*
 * base/time: dates that people and files read.
 *
 * Promise: times are seconds since 1970.  In text they are RFC 3339 in UTC, "2026-02-03T04:05:06Z", of a day that
 * exists in the years 1970 to 9999; the reader also takes a fraction, which it drops, and a leap second.  Nothing else
 * is read as such: no offset, no lower-case letter, no blank.
 */
#ifndef OKV_BASE_TIME_H
#define OKV_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { TIME_STAMP_SIZE = 21 };

int64_t time_now(void);
/* A time that cannot be written comes as 1970-01-01T00:00:00Z. */
void time_format(int64_t seconds, char ret_stamp[TIME_STAMP_SIZE]);
bool time_parse(const char *stamp, size_t length, int64_t *ret_seconds);
/* What begins with a date of HTTP (RFC 9110, 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". */
bool time_parse_http(const char *date, int64_t *ret_seconds);
/* "40 s", "5 min", "3 h", "12 d": one number, for people. */
void time_add_age(int64_t seconds, struct text *out);

#endif
