#include "base/number.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool digits_parse(const char *digits, size_t length, unsigned base, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (length == 0)
		return false;
	for (size_t i = 0; i < length; i++) {
		const unsigned digit = (unsigned)(unsigned char)digits[i] - '0';
		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*ret_value = value;
	return true;
}

int number_parse(const char *string, const char *what, uint64_t least, uint64_t most, uint64_t *ret_value,
		 struct fault *f)
{
	uint64_t value;

	if (!digits_parse(string, strlen(string), 10, &value) || value < least || value > most)
		return fault_refused(f, "%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", what,
				     least, most, SHOWN(string));
	*ret_value = value;
	return 0;
}

int number_parse_mode(const char *string, const char *what, mode_t *ret_mode, struct fault *f)
{
	const size_t length = strlen(string);
	uint64_t value;

	if (length < 3 || length > 5 || !digits_parse(string, length, 8, &value) || value > 07777)
		return fault_refused(f, "%s must be an octal mode such as 0640, not '%s'", what, SHOWN(string));
	*ret_mode = (mode_t)value;
	return 0;
}

int number_parse_size(const char *string, const char *what, uint64_t *ret_bytes, struct fault *f)
{
	static const char units[] = "KMGT";
	size_t length = strlen(string);
	unsigned shift = 0;

	if (length > 1) {
		const char *unit = strchr(units, string[length - 1]);
		if (unit != NULL && *unit != '\0') {
			shift = 10u * (unsigned)(unit - units + 1);
			length--;
		}
	}
	uint64_t value;
	if (!digits_parse(string, length, 10, &value) || value > UINT64_MAX >> shift)
		return fault_refused(f, "%s must be a size such as 512, 64K, 16M or 2G, not '%s'", what, SHOWN(string));
	*ret_bytes = value << shift;
	return 0;
}

int number_parse_seconds(const char *string, const char *what, uint64_t *ret_seconds, struct fault *f)
{
	static const char units[] = "smhd";
	static const uint64_t unit_seconds[] = { 1, 60, 60 * 60, 24 * 60 * 60 };
	const uint64_t most = 100 * 365 * unit_seconds[3];
	size_t length = strlen(string);
	uint64_t factor = 1, value;

	if (length > 1) {
		const char *unit = strchr(units, string[length - 1]);
		if (unit != NULL && *unit != '\0') {
			factor = unit_seconds[unit - units];
			length--;
		}
	}
	if (!digits_parse(string, length, 10, &value) || value == 0 || value > most / factor)
		return fault_refused(f, "%s must be a time such as 90s, 30m, 24h or 2d, not '%s'", what, SHOWN(string));
	*ret_seconds = value * factor;
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
