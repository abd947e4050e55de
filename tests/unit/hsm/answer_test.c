/* hsm/answer: the vendor's table. */
#include "hsm/answer.h"
#include "unit.h"

static struct hsm_slot slot(uint64_t id, const char *description, const char *label, const char *serial)
{
	struct hsm_slot made = { .id = id, .present = description != NULL, .usable = description != NULL };

	if (description != NULL) {
		memcpy(made.description, description, strlen(description) + 1);
		memcpy(made.label, label, strlen(label) + 1);
		memcpy(made.serial, serial, strlen(serial) + 1);
	}
	return made;
}

static void assert_table(struct hsm_slot *slots, size_t count, const char *wanted)
{
	const struct hsm_answer answer = { .slots = slots, .slot_count = count };
	TEXT_AUTO out = { 0 };

	hsm_answer_table(&answer, &out);
	assert_string_equal(text_string(&out), wanted);
}

#define HEADING \
	"The following slots were found:\n\n" \
	"Slot Description          Label                            Serial #         Status\n" \
	"==== ==================== ================================ ================ ============\n"

static void a_row_has_the_columns_of_clients_7_and_10(void **state)
{
	struct hsm_slot slots[] = {
		slot(0, "Net Token Slot", "partition-01", "3423358"),
		slot(3, NULL, NULL, NULL),
		slot(11, "HA Virtual Card Slot", "G5 HA", "1700179008"),
	};

	(void)state;
	assert_table(slots, 3,
		     "Number of slots: 3\n\n" HEADING
		     "   0 Net Token Slot       partition-01                     3423358          Present\n"
		     "   3 -                    -                                -                Not present\n"
		     "  11 HA Virtual Card Slot G5 HA                            1700179008       Present\n");
}

static void no_slot_is_the_number_alone(void **state)
{
	(void)state;
	assert_table(NULL, 0, "Number of slots: 0\n");
}

static void what_is_too_long_is_cut_and_a_large_number_widens_its_column(void **state)
{
	struct hsm_slot slots[] = {
		slot(4294967295, "A description that is longer", "01234567890123456789012345678901",
		     "0123456789012345"),
	};

	(void)state;
	assert_table(slots, 1,
		     "Number of slots: 1\n\nThe following slots were found:\n\n"
		     "Slot       Description          Label                            Serial #         Status\n"
		     "========== ==================== ================================ ================ ============\n"
		     "4294967295 A description that i 01234567890123456789012345678901 0123456789012345 Present\n");
}

static void a_character_is_one_column_and_no_text_is_shown_as_hex(void **state)
{
	struct hsm_slot slots[] = { slot(0, "t\xc3\xbcr", "a\x1b[2Jb", "\xff\xfe") };

	(void)state;
	assert_table(slots, 1,
		     "Number of slots: 1\n\n" HEADING
		     "   0 t\xc3\xbcr                  a\\x1b[2Jb                        \\xff\\xfe         Present\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_has_the_columns_of_clients_7_and_10),
		cmocka_unit_test(no_slot_is_the_number_alone),
		cmocka_unit_test(what_is_too_long_is_cut_and_a_large_number_widens_its_column),
		cmocka_unit_test(a_character_is_one_column_and_no_text_is_shown_as_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
