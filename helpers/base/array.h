/*
 * base/array: arrays that grow by one item at a time.
 *
 * Promise: room is made by doubling, so adding n items moves each about once; the capacity is the power of two that
 * holds `count`, and nobody has to keep it.  Without memory the array stays as it was.  The caller frees the array.
 */
#ifndef OKV_BASE_ARRAY_H
#define OKV_BASE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Room for item number `count` of `size` bytes: the array, perhaps moved, or NULL. */
static inline void *array_grown(void *items, size_t count, size_t size)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return items;
	return count > SIZE_MAX / 2 / size ? NULL : realloc(items, (count > 0 ? 2 * count : 1) * size);
}

/* Room for one more in `items`, of which `count` are used; false when there is no memory. */
#define ARRAY_GROW(items, count) \
	__extension__({ \
		__typeof__(items) array_grown_ = array_grown((items), (count), sizeof(*(items))); \
		if (array_grown_ != NULL) \
			(items) = array_grown_; \
		array_grown_ != NULL; \
	})

#endif
