/*
 * upgrade/clock: when something was.
 *
 * Promise: stamps are RFC 3339 in UTC with whole seconds ("2026-02-03T04:05:06Z"); the reader takes nothing else.
 */
#ifndef OKV_UPGRADE_CLOCK_H
#define OKV_UPGRADE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

enum { UPGRADE_STAMP_SIZE = 21 };

/* Seconds since 1970. */
int64_t upgrade_clock_now(void);
void upgrade_clock_stamp(int64_t seconds, char ret_stamp[UPGRADE_STAMP_SIZE]);
bool upgrade_clock_read(const char *stamp, size_t length, int64_t *ret_seconds);
/* "40 s", "5 min", "3 h", "12 d": one number, for people. */
void upgrade_clock_age(int64_t seconds, struct text *out);

#endif
