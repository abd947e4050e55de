/*
 * proc/clock: milliseconds that only go forward.
 */
#ifndef OKV_PROC_CLOCK_H
#define OKV_PROC_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC: no step of the date moves a deadline. */
static inline int64_t proc_clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
