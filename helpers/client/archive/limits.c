#include "client/archive/limits.h"

#include <errno.h>

int limits_check_ratio(uint64_t in, uint64_t out, struct fault *f)
{
	if (out <= LIMITS_RATIO_FREE || out / LIMITS_RATIO <= in)
		return 0;
	return fault_refused(f, "a bomb: more than %d times as large unpacked as packed", LIMITS_RATIO);
}

int limits_check_bytes(const struct limits *limits, uint64_t out, struct fault *f)
{
	if (out > limits->bytes)
		return fault_refused(f, "larger unpacked than --max-bytes allows (%llu)",
				     (unsigned long long)limits->bytes);
	if (out > limits->room)
		return fault_system(f, ENOSPC, "it needs more than the %llu bytes that may be used",
				    (unsigned long long)limits->room);
	return 0;
}
