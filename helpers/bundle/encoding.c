#include "bundle/encoding.h"

#include <stdio.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char hex_digits[] = "0123456789abcdef";

static int digit_value(const char *digits, char digit)
{
	const char *found = digit != '\0' ? strchr(digits, digit) : NULL;
	return found != NULL ? (int)(found - digits) : -1;
}

bool bundle_base64_parse(const char *string, unsigned char *out, size_t size, size_t *ret_length)
{
	const size_t length = strlen(string);
	size_t used = 0;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		const bool last = i + 4 == length;
		const size_t pads = !last || string[i + 3] != '=' ? 0 : string[i + 2] != '=' ? 1 : 2;
		uint32_t group = 0;
		for (size_t k = 0; k < 4; k++) {
			const int value = k < 4 - pads ? digit_value(alphabet, string[i + k]) : 0;
			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		/* Bits that stand for no byte must be zero: else many strings would mean the same bytes. */
		if ((group & ((UINT32_C(1) << 8 * pads) - 1)) != 0 || used + 3 - pads > size)
			return false;
		for (size_t k = 0; k < 3 - pads; k++)
			out[used++] = (unsigned char)(group >> (16 - 8 * k));
	}
	*ret_length = used;
	return true;
}

void bundle_base64_print(const unsigned char *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i += 3) {
		const size_t left = length - i;
		const uint32_t group = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
				       (left > 2 ? bytes[i + 2] : 0);
		*out++ = alphabet[group >> 18];
		*out++ = alphabet[group >> 12 & 63];
		*out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
		*out++ = left > 2 ? alphabet[group & 63] : '=';
	}
	*out = '\0';
}

bool bundle_hex_parse(const char *string, unsigned char *out, size_t size)
{
	if (strlen(string) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		const int high = digit_value(hex_digits, string[2 * i]),
			  low = digit_value(hex_digits, string[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void bundle_hex_print(const unsigned char *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++) {
		*out++ = hex_digits[bytes[i] >> 4];
		*out++ = hex_digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* --- time ---------------------------------------------------------------------------------------------------- */

static bool leap_year(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month - 1] + (month == 2 && leap_year(year) ? 1 : 0);
}

/* Days from 1970-01-01 to the first day of the year. */
static int64_t year_start(int64_t year)
{
	const int64_t before = year - 1;
	return (year - 1970) * 365 + before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

bool bundle_time_parse(const char *string, int64_t *ret_seconds)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	int fields[6] = { 0 };
	size_t field = 0, i;

	for (i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd' && string[i] >= '0' && string[i] <= '9')
			fields[field] = fields[field] * 10 + (string[i] - '0');
		else if (form[i] != 'd' && string[i] == form[i])
			field++;
		else
			return false;
	}
	if (string[i] == '.') {
		const size_t digits = strspn(string + i + 1, "0123456789");
		if (digits == 0 || digits > 9)
			return false;
		i += 1 + digits;
	}
	if (strcmp(string + i, "Z") != 0)
		return false;

	const int year = fields[0], month = fields[1], day = fields[2];
	/* A leap second is written as 60 (RFC 3339, 5.6). */
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) || fields[3] > 23 ||
	    fields[4] > 59 || fields[5] > 60)
		return false;
	int64_t days = year_start(year) + day - 1;
	for (int m = 1; m < month; m++)
		days += month_days(year, m);
	*ret_seconds = ((days * 24 + fields[3]) * 60 + fields[4]) * 60 + fields[5];
	return true;
}

void bundle_time_print(int64_t seconds, char ret_time[BUNDLE_TIME_SIZE])
{
	int64_t days = seconds / 86400, year = 1970;
	const int64_t rest = seconds % 86400;
	int month = 1;

	while (days >= (leap_year(year) ? 366 : 365)) {
		days -= leap_year(year) ? 366 : 365;
		year++;
	}
	while (days >= month_days(year, month)) {
		days -= month_days(year, month);
		month++;
	}
	(void)snprintf(ret_time, BUNDLE_TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02dZ", (uint16_t)year, (uint8_t)month,
		       (uint8_t)(days + 1), (uint8_t)(rest / 3600), (uint8_t)(rest / 60 % 60), (uint8_t)(rest % 60));
}
