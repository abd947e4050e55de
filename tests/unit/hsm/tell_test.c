/* hsm/tell: records over a pipe, of which none is believed. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "hsm/tell.h"
#include "unit.h"

struct set {
	struct hsm_answer answer;
	struct tell_listener listener;
};

static void set_make(struct set *set)
{
	*set = (struct set){ .answer = HSM_ANSWER_INIT };
	set->listener.answer = &set->answer;
	memcpy(set->listener.token, "0123456789abcdef", TELL_TOKEN_SIZE);
}

static void set_done(struct set *set)
{
	hsm_answer_done(&set->answer);
	hsm_tell_listener_done(&set->listener);
}

static enum proc_child_answer hear(struct set *set, uint32_t kind, const void *body, size_t length)
{
	const struct proc_message message = { .kind = kind, .length = length, .bytes = body };

	return hsm_tell_hear(&set->listener, &message);
}

static struct hsm_slot a_slot(uint64_t id)
{
	struct hsm_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.id = id;
	slot.flags = CKF_TOKEN_INITIALIZED;
	(void)snprintf(slot.label, sizeof(slot.label), "label %d", (int)id);
	return slot;
}

static void slots_are_kept_and_the_token_is_the_end(void **state)
{
	struct set set;

	(void)state;
	set_make(&set);
	for (uint64_t i = 0; i < 20; i++) {
		const struct hsm_slot slot = a_slot(i);
		assert_int_equal(hear(&set, TELL_SLOT, &slot, sizeof(slot)), PROC_CHILD_MORE);
	}
	assert_int_equal(hear(&set, TELL_ALL, "0123456789abcdef", TELL_TOKEN_SIZE), PROC_CHILD_ALL);
	assert_int_equal(set.answer.slot_count, 20);
	assert_string_equal(set.answer.slots[19].label, "label 19");
	assert_true(set.answer.slots[19].usable);
	set_done(&set);
}

/* Feeds one record; true when it was taken for one. */
static bool taken(uint32_t kind, const void *body, size_t length)
{
	struct set set;

	set_make(&set);
	const enum proc_child_answer answer = hear(&set, kind, body, length);
	set_done(&set);
	return answer != PROC_CHILD_GARBLED;
}

static void a_wrong_kind_length_index_or_token_is_no_record(void **state)
{
	unsigned char zeroes[4096] = { 0 };
	struct tell_mechanism mechanism;

	(void)state;
	memset(&mechanism, 0, sizeof(mechanism));
	assert_false(taken(0, zeroes, 0));
	assert_false(taken(99, zeroes, 16));
	assert_false(taken(TELL_SLOT, zeroes, sizeof(struct hsm_slot) - 1));
	assert_false(taken(TELL_SLOT, zeroes, 4096));
	assert_true(taken(TELL_SLOT, zeroes, sizeof(struct hsm_slot)));
	assert_false(taken(TELL_MECHANISM, &mechanism, sizeof(mechanism))); /* of no slot that was told */
	assert_false(taken(TELL_ALL, "0123456789abcdeX", TELL_TOKEN_SIZE));
	assert_true(taken(TELL_ALL, "0123456789abcdef", TELL_TOKEN_SIZE));
}

static void pointers_flags_and_unended_texts_are_not_believed(void **state)
{
	struct hsm_slot slot;
	struct set set;

	(void)state;
	memset(&slot, 0xa5, sizeof(slot));
	slot.slot_rv = CKR_OK;
	slot.hsm_rv = CKR_TOKEN_NOT_PRESENT;
	set_make(&set);
	assert_int_equal(hear(&set, TELL_SLOT, &slot, sizeof(slot)), PROC_CHILD_MORE);
	assert_int_equal(set.answer.slot_count, 1);
	assert_null(set.answer.slots[0].mechanisms);
	assert_int_equal(set.answer.slots[0].mechanism_count, 0);
	assert_false(set.answer.slots[0].present);
	assert_false(set.answer.slots[0].usable);
	assert_int_equal(strlen(set.answer.slots[0].label), CRYPTOKI_LABEL_SIZE);
	set_done(&set);
}

static void more_slots_than_any_hsm_has_are_too_many(void **state)
{
	struct set set;

	(void)state;
	set_make(&set);
	for (uint64_t i = 0; i <= HSM_SLOTS_MAX; i++) {
		const struct hsm_slot slot = a_slot(i);
		assert_int_equal(hear(&set, TELL_SLOT, &slot, sizeof(slot)),
				 i == HSM_SLOTS_MAX ? PROC_CHILD_GARBLED : PROC_CHILD_MORE);
	}
	set_done(&set);
}

/* In a child: tells once, lets `meddle` do its work on the descriptor, tells again. */
static int meddled(void (*meddle)(int fd), struct hsm_board *board)
{
	const pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		int ends[2];
		struct teller teller;
		const char note[TELL_TEXT_SIZE] = "note";
		if (pipe(ends) < 0 || !hsm_teller_start(&teller, ends[1], board))
			_exit(9);
		hsm_teller_tell(&teller, TELL_NOTE, note, sizeof(note));
		meddle(ends[1]);
		hsm_teller_tell(&teller, TELL_NOTE, note, sizeof(note));
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void leave_it(int fd)
{
	(void)fd;
}

static void close_it(int fd)
{
	(void)close(fd);
}

static void put_another_there(int fd)
{
	const int other = open("/dev/null", O_WRONLY);

	(void)dup2(other, fd);
}

static void a_pipe_that_was_closed_or_exchanged_is_noticed_before_anything_is_written(void **state)
{
	struct hsm_board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(board != MAP_FAILED);
	assert_int_equal(meddled(leave_it, board), 0);
	assert_int_equal(board->lost, 0);
	assert_int_equal(meddled(close_it, board), 1);
	assert_int_equal(board->lost, 1);
	board->lost = 0;
	assert_int_equal(meddled(put_another_there, board), 1);
	assert_int_equal(board->lost, 1);
	(void)munmap(board, sizeof(*board));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_kept_and_the_token_is_the_end),
		cmocka_unit_test(a_wrong_kind_length_index_or_token_is_no_record),
		cmocka_unit_test(pointers_flags_and_unended_texts_are_not_believed),
		cmocka_unit_test(more_slots_than_any_hsm_has_are_too_many),
		cmocka_unit_test(a_pipe_that_was_closed_or_exchanged_is_noticed_before_anything_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
