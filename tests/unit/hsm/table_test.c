/* hsm/table: the vendor's table, written and read back. */
#include "hsm/table.h"
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

	hsm_table(&answer, &out);
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

static int read_back(const char *bytes, struct hsm_row *rows, size_t size)
{
	return hsm_table_read(bytes, strlen(bytes), rows, size);
}

static void tables_of_clients_5_7_and_10_are_read_by_their_rule(void **state)
{
	struct hsm_row rows[4];

	(void)state;
	assert_int_equal(
		read_back("vtl (64-bit) v10.7.2-16. Copyright (c) 2024 Thales Group. All rights reserved.\n\n"
			  "Number of slots: 1\n\n" HEADING
			  "   0 Net Token Slot       partition-01                     3423358          Present\n",
			  rows, 4),
		1);
	assert_int_equal(rows[0].id, 0);
	assert_string_equal(rows[0].description, "Net Token Slot");
	assert_string_equal(rows[0].label, "partition-01");
	assert_string_equal(rows[0].serial, "3423358");
	assert_true(rows[0].present);

	assert_int_equal(
		read_back("Number of slots: 11\n\nThe following slots were found:\n\n"
			  "Slot #    Description          Label                           Serial #   Status\n"
			  "========= ==================== =============================== ========== ============\n"
			  "slot #1   LunaNet Slot         par43                           156908040  Present\n"
			  "slot #3   -                    -                               -          Not present\n"
			  "slot #11  HA Virtual Card Slot G5_HA                           1700179008 Present\n",
			  rows, 4),
		3);
	assert_int_equal(rows[0].id, 1);
	assert_string_equal(rows[0].label, "par43");
	assert_false(rows[1].present);
	assert_int_equal(rows[2].id, 11);
	assert_string_equal(rows[2].description, "HA Virtual Card Slot");
	assert_string_equal(rows[2].serial, "1700179008");
}

static void labels_with_blanks_empty_ones_and_umlauts_stay_in_their_column(void **state)
{
	struct hsm_row rows[4];

	(void)state;
	assert_int_equal(
		read_back(
			"Number of slots: 3\r\n\r\n" HEADING
			"   0 Net Token Slot       two words here                   1                Present\r\n"
			"   1 Net Token Slot                                        2                Present\r\n"
			"   2 Net Token Slot       M\xc3\xbcnchen                          3                Present\r\n"
			"\r\n   3 Net Token Slot       below the table                  4                Present\r\n",
			rows, 4),
		3);
	assert_string_equal(rows[0].label, "two words here");
	assert_string_equal(rows[1].label, "");
	assert_string_equal(rows[1].serial, "2");
	assert_string_equal(rows[2].label, "M\xc3\xbcnchen");
	assert_string_equal(rows[2].serial, "3");
}

static void no_table_is_no_empty_table(void **state)
{
	struct hsm_row row;

	(void)state;
	assert_int_equal(read_back("", &row, 1), -1);
	assert_int_equal(read_back("Error: Unable to find any Luna SA slots/partitions\n", &row, 1), -1);
	assert_int_equal(read_back("Number of slots: 0\n", &row, 1), 0);
}

/* Any answer, printed and read back, is the same, as far as the columns hold it. */
static void what_is_written_is_read(void **state)
{
	static struct hsm_slot slots[300];
	static struct hsm_row rows[300];
	TEXT_AUTO out = { 0 };

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		char label[33], serial[17];
		(void)snprintf(label, sizeof(label), "%zu label %zu", i, i * 7919);
		(void)snprintf(serial, sizeof(serial), "%zu", i * 104729);
		slots[i] = i % 7 == 3 ? slot(i * 31, NULL, NULL, NULL) : slot(i * 31, "Net Token Slot", label, serial);
	}
	const struct hsm_answer answer = { .slots = slots, .slot_count = 300 };
	hsm_table(&answer, &out);
	assert_int_equal(hsm_table_read(text_string(&out), out.length, rows, 300), 300);
	for (size_t i = 0; i < 300; i++) {
		assert_int_equal(rows[i].id, slots[i].id);
		assert_int_equal(rows[i].present, slots[i].present);
		assert_string_equal(rows[i].label, slots[i].present ? slots[i].label : "-");
		assert_string_equal(rows[i].serial, slots[i].present ? slots[i].serial : "-");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_has_the_columns_of_clients_7_and_10),
		cmocka_unit_test(no_slot_is_the_number_alone),
		cmocka_unit_test(what_is_too_long_is_cut_and_a_large_number_widens_its_column),
		cmocka_unit_test(a_character_is_one_column_and_no_text_is_shown_as_hex),
		cmocka_unit_test(tables_of_clients_5_7_and_10_are_read_by_their_rule),
		cmocka_unit_test(labels_with_blanks_empty_ones_and_umlauts_stay_in_their_column),
		cmocka_unit_test(no_table_is_no_empty_table),
		cmocka_unit_test(what_is_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
