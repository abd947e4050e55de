#include "base/time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t time_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

void time_format(int64_t seconds, char ret_stamp[TIME_STAMP_SIZE])
{
	const time_t time = (time_t)seconds;
	struct tm utc;

	if (seconds < 0 || gmtime_r(&time, &utc) == NULL || utc.tm_year + 1900 > 9999 ||
	    strftime(ret_stamp, TIME_STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		(void)snprintf(ret_stamp, TIME_STAMP_SIZE, "1970-01-01T00:00:00Z");
}

const char *time_day(int64_t seconds, char stamp[TIME_STAMP_SIZE])
{
	time_format(seconds, stamp);
	stamp[strlen("2026-02-03")] = '\0';
	return stamp;
}

/* Checks what follows the seconds: an optional fraction and the Z. */
static bool tail_is_valid(const char *tail, size_t length)
{
	size_t at = 0;

	if (length > 1 && tail[0] == '.')
		for (at = 1; at < length && tail[at] >= '0' && tail[at] <= '9';)
			at++;
	return at != 1 && at <= 10 && at + 1 == length && tail[at] == 'Z';
}

bool time_parse(const char *stamp, size_t length, int64_t *ret_seconds)
{
	static const char form[] = "%Y-%m-%dT%H:%M:%S";
	enum { FIXED = TIME_STAMP_SIZE - 2 };
	char fixed[FIXED + 1], again[FIXED + 1];
	struct tm utc = { 0 };

	if (length <= FIXED || !tail_is_valid(stamp + FIXED, length - FIXED))
		return false;
	memcpy(fixed, stamp, FIXED);
	fixed[FIXED] = '\0';
	if (strptime(fixed, form, &utc) == NULL)
		return false;
	/* A leap second is written as 60 (RFC 3339, 5.6). */
	const int leap = utc.tm_sec == 60;
	utc.tm_sec -= leap;
	const int64_t seconds = timegm(&utc);
	utc.tm_sec += leap;
	/* timegm(3) normalizes February 31, and strptime(3) accepts "2026-2-3": neither comes back as the same text. */
	if (seconds < 0 || strftime(again, sizeof(again), form, &utc) != FIXED || memcmp(again, fixed, FIXED) != 0)
		return false;
	*ret_seconds = seconds + leap;
	return true;
}

bool time_parse_http(const char *date, int64_t *ret_seconds)
{
	struct tm utc = { 0 };

	if (strptime(date, "%a, %d %b %Y %T GMT", &utc) == NULL)
		return false;
	*ret_seconds = timegm(&utc);
	return true;
}

void time_add_age(int64_t seconds, struct text *out)
{
	static const struct {
		int64_t most, unit;
		const char *name;
	} scale[] = { { 120, 1, "s" }, { 120 * 60, 60, "min" }, { 72 * 3600, 3600, "h" }, { INT64_MAX, 86400, "d" } };
	size_t i = 0;

	const bool ahead = seconds < -TIME_CLOCK_STEP_S;
	seconds = ahead ? -seconds : seconds < 0 ? 0 : seconds;
	while (seconds > scale[i].most)
		i++;
	text_add_format(out, ahead ? "dated %lld %s in the future" : "%lld %s old",
			(long long)(seconds / scale[i].unit), scale[i].name);
}
