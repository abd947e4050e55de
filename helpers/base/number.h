/*
 * base/number: strict parsing of numbers.
 *
 * Promise: the whole string must be the number: no blanks, no sign, no overflow, not empty.  `what` names the value in
 * the fault ("--timeout", "MIN_SLOTS"), and the fault says the range.
 */
#ifndef OKV_BASE_NUMBER_H
#define OKV_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

/* True for 1 or more digits of base 8 or 10 with a value of at most `most`; on false nothing is written. */
bool number_digits(const char *digits, size_t length, unsigned base, uint64_t most, uint64_t *ret_value);
/* Decimal, least <= value <= most; else FAULT_REFUSED. */
int number_parse(const char *string, const char *what, uint64_t least, uint64_t most, uint64_t *ret_value,
		 struct fault *f);
/* Three to five octal digits, at most 07777 (chmod(1)); else FAULT_REFUSED. */
int number_parse_mode(const char *string, const char *what, mode_t *ret_mode, struct fault *f);
/* "512", "64K", "16M", "2G" (powers of 1024) as bytes; else FAULT_REFUSED. */
int number_parse_size(const char *string, const char *what, uint64_t *ret_bytes, struct fault *f);
/* "90" or "90s", "30m", "24h", "2d" as seconds, at least one and at most 100 years; else FAULT_REFUSED. */
int number_parse_seconds(const char *string, const char *what, uint64_t *ret_seconds, struct fault *f);

/* "1,048,576", for people.  NUMBER_GROUPED(n) lives until the end of the enclosing block. */
enum { NUMBER_GROUPED_SIZE = 32 };
const char *number_grouped(uint64_t number, char storage[NUMBER_GROUPED_SIZE]);
#define NUMBER_GROUPED(n) number_grouped((n), (char[NUMBER_GROUPED_SIZE]){ 0 })

#endif
