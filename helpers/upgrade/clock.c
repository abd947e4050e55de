#include "upgrade/clock.h"

#include <stdio.h>
#include <time.h>

int64_t upgrade_clock_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

void upgrade_clock_stamp(int64_t seconds, char ret_stamp[UPGRADE_STAMP_SIZE])
{
	const time_t time = (time_t)seconds;
	struct tm utc;

	if (gmtime_r(&time, &utc) == NULL || strftime(ret_stamp, UPGRADE_STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		(void)snprintf(ret_stamp, UPGRADE_STAMP_SIZE, "1970-01-01T00:00:00Z");
}

bool upgrade_clock_read(const char *stamp, size_t length, int64_t *ret_seconds)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	int field[6] = { 0 };
	size_t which = 0;

	if (length != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (form[i] != 'd') {
			if (stamp[i] != form[i])
				return false;
			which++;
			continue;
		}
		if (stamp[i] < '0' || stamp[i] > '9')
			return false;
		field[which] = field[which] * 10 + (stamp[i] - '0');
	}
	struct tm utc = { .tm_year = field[0] - 1900,
			  .tm_mon = field[1] - 1,
			  .tm_mday = field[2],
			  .tm_hour = field[3],
			  .tm_min = field[4],
			  .tm_sec = field[5] };
	const time_t time = timegm(&utc);
	char again[UPGRADE_STAMP_SIZE];
	upgrade_clock_stamp(time, again);
	/* The 31st of February comes back as another day. */
	if (!text_equal(stamp, length, again))
		return false;
	*ret_seconds = time;
	return true;
}

void upgrade_clock_age(int64_t seconds, struct text *out)
{
	static const struct {
		int64_t most, unit;
		const char *name;
	} scale[] = { { 120, 1, "s" }, { 120 * 60, 60, "min" }, { 72 * 3600, 3600, "h" }, { INT64_MAX, 86400, "d" } };
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (seconds > scale[i].most)
		i++;
	text_add_format(out, "%lld %s", (long long)(seconds / scale[i].unit), scale[i].name);
}
