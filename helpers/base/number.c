#include "base/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

bool number_digits(const char *digits, size_t length, unsigned base, uint64_t most, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		const unsigned digit = (unsigned)(unsigned char)digits[i] - '0';
		const unsigned __int128 longer = (unsigned __int128)value * base + digit;
		if (digit >= base || longer > most)
			return false;
		value = (uint64_t)longer;
	}
	*ret_value = value;
	return true;
}

int number_parse(const char *string, const char *what, uint64_t least, uint64_t most, uint64_t *ret_value,
		 struct fault *f)
{
	uint64_t value;

	if (!number_digits(string, strlen(string), 10, most, &value) || value < least)
		return fault_refused(f, "%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", what,
				     least, most, SHOWN(string));
	*ret_value = value;
	return 0;
}

int number_parse_mode(const char *string, const char *what, mode_t *ret_mode, struct fault *f)
{
	const size_t length = strlen(string);
	uint64_t value;

	if (length < 3 || length > 5 || !number_digits(string, length, 8, 07777, &value))
		return fault_refused(f, "%s must be an octal mode such as 0640, not '%s'", what, SHOWN(string));
	*ret_mode = (mode_t)value;
	return 0;
}

/* Parses digits and an optional letter of `units`, whose factor multiplies the number. */
static bool scaled_parse(const char *string, const char *units, const uint64_t *factors, uint64_t most,
			 uint64_t *ret_value)
{
	const size_t digits = strspn(string, "0123456789");
	const char *unit = string[digits] != '\0' ? strchr(units, string[digits]) : NULL;
	const uint64_t factor = unit != NULL ? factors[unit - units] : 1;
	uint64_t value;

	if (string[digits + (unit != NULL)] != '\0' || !number_digits(string, digits, 10, most / factor, &value))
		return false;
	*ret_value = value * factor;
	return true;
}

int number_parse_size(const char *string, const char *what, uint64_t *ret_bytes, struct fault *f)
{
	static const uint64_t factors[] = { 1 << 10, 1 << 20, 1 << 30, UINT64_C(1) << 40 };

	return scaled_parse(string, "KMGT", factors, UINT64_MAX, ret_bytes)
		       ? 0
		       : fault_refused(f, "%s must be a size such as 512, 64K, 16M or 2G, not '%s'", what,
				       SHOWN(string));
}

int number_parse_seconds(const char *string, const char *what, uint64_t *ret_seconds, struct fault *f)
{
	static const uint64_t factors[] = { 1, 60, 60 * 60, 24 * 60 * 60 };
	uint64_t seconds;

	if (!scaled_parse(string, "smhd", factors, 100 * 365 * factors[3], &seconds) || seconds == 0)
		return fault_refused(f, "%s must be a time such as 90s, 30m, 24h or 2d, not '%s'", what, SHOWN(string));
	*ret_seconds = seconds;
	return 0;
}

const char *number_grouped(uint64_t number, char storage[NUMBER_GROUPED_SIZE])
{
	char digits[24];
	const int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	char *at = storage;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return storage;
}
