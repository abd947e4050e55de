/* hsm/ldcache with any bytes: every path it gives lies in them and ends in them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/ldcache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "libc.so.6", "a", "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *path;
		size_t at = 0, before = 0;
		while ((path = hsm_ldcache_next(data, size, names[i], &at)) != NULL) {
			const uint8_t *start = (const uint8_t *)path;
			if (start < data || start >= data + size ||
			    memchr(start, '\0', (size_t)(data + size - start)) == NULL)
				abort();
			if (at <= before)
				abort();
			before = at;
		}
	}
	return 0;
}
