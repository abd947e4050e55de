/*
 * base/array: arrays that grow by one item at a time.
 *
 * Promise: the capacity is not stored: it is the smallest power of two that holds `count`, so appending costs amortized
 * O(1).  If memory runs out, the array is unchanged.  The caller frees it.
 */
#ifndef OKV_BASE_ARRAY_H
#define OKV_BASE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Makes room for item number `count` of `size` bytes; returns the array, perhaps moved, or NULL. */
static inline void *array_grown(void *items, size_t count, size_t size)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return items;
	return count > SIZE_MAX / 2 / size ? NULL : realloc(items, (count > 0 ? 2 * count : 1) * size);
}

/* Makes room for one more item in `items`, of which `count` are used; false if there is no memory. */
#define ARRAY_GROW(items, count) \
	__extension__({ \
		__typeof__(items) array_grown_ = array_grown((items), (count), sizeof(*(items))); \
		if (array_grown_ != NULL) \
			(items) = array_grown_; \
		array_grown_ != NULL; \
	})

#endif
