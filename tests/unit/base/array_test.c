/* base/array: it grows by doubling, and loses nothing when it cannot. */
#include "unit.h"

#include "base/array.h"

static void a_thousand_items_stay_in_order_and_move_ten_times(void **state)
{
	int *items = NULL;
	unsigned moved = 0;

	(void)state;
	for (size_t count = 0; count < 1000; count++) {
		const uintptr_t before = (uintptr_t)items;
		const bool full = count == 0 || (count & (count - 1)) == 0;
		assert_true(ARRAY_GROW(items, count));
		assert_true(full || (uintptr_t)items == before);
		moved += full;
		items[count] = (int)count;
	}
	assert_int_equal(moved, 11);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

static void too_many_are_refused_and_the_array_stays(void **state)
{
	struct {
		char bytes[4096];
	} *items = NULL;

	(void)state;
	assert_true(ARRAY_GROW(items, (size_t)0));
	void *before = items;
	assert_false(ARRAY_GROW(items, (SIZE_MAX >> 1) + 1));
	assert_ptr_equal(items, before);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_items_stay_in_order_and_move_ten_times),
		cmocka_unit_test(too_many_are_refused_and_the_array_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
