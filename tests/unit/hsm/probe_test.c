/* hsm/probe: what comes over the socket, of which nothing is believed. */
#include <sys/socket.h>

#include "fs/read.h"
#include "hsm/probe.c"
#include "unit.h"

struct set {
	struct hsm_answer answer;
	struct proc_child child;
	int other_end; /* the worker's */
	struct listener listener;
};

static void set_make(struct set *set)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	*set = (struct set){ .answer = HSM_ANSWER_INIT, .child = { .tell = ends[0] }, .other_end = ends[1] };
	set->listener.answer = &set->answer;
	set->listener.child = &set->child;
	set->listener.root = -1;
	memcpy(set->listener.nonce, "0123456789abcdef", HSM_NONCE_SIZE);
}

static void set_done(struct set *set)
{
	hsm_answer_done(&set->answer);
	(void)close(set->child.tell);
	(void)close(set->other_end);
}

/* What the worker was told, or 0; with the PIN, if there was one. */
static uint32_t told(const struct set *set, char ret_pin[16])
{
	struct proc_message_reader reader = { .used = 0 };
	struct proc_message message;
	char bytes[64];
	uint32_t kind = 0;

	const ssize_t got = read(set->other_end, bytes, sizeof(bytes));
	if (got > 0)
		proc_message_reader_add(&reader, bytes, (size_t)got);
	if (proc_message_reader_next(&reader, &message) == 1) {
		kind = message.kind;
		assert_true(message.length < 16);
		memcpy(ret_pin, message.bytes, message.length);
		ret_pin[message.length] = '\0';
	}
	proc_message_reader_done(&reader);
	return kind;
}

static enum proc_child_answer hear(struct set *set, uint32_t kind, const void *body, size_t length)
{
	const struct proc_message message = { .kind = kind, .length = length, .bytes = body };

	return listen_to(&set->listener, &message);
}

static struct hsm_slot a_slot(uint64_t id)
{
	struct hsm_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.id = id;
	slot.token.flags = CKF_TOKEN_INITIALIZED;
	slot.session_call = HSM_CALL_CLOSE_SESSION;
	memset(slot.token.label, ' ', sizeof(slot.token.label));
	memcpy(slot.token.label, "label", strlen("label"));
	slot.token.label[6] = (unsigned char)('a' + id);
	return slot;
}

static void slots_are_kept_and_the_nonce_is_the_end(void **state)
{
	struct set set;

	(void)state;
	set_make(&set);
	for (uint64_t i = 0; i < 20; i++) {
		const struct hsm_slot slot = a_slot(i);
		assert_int_equal(hear(&set, HSM_MESSAGE_SLOT, &slot, sizeof(slot)), PROC_CHILD_MORE);
	}
	assert_int_equal(hear(&set, HSM_MESSAGE_ALL, "0123456789abcdef", HSM_NONCE_SIZE), PROC_CHILD_ALL);
	assert_int_equal(set.answer.slot_count, 20);
	assert_string_equal(set.answer.slots[19].label, "label t");
	assert_true(set.answer.slots[19].usable);
	set_done(&set);
}

/* Feeds one message; true when it was taken for one. */
static bool taken(uint32_t kind, const void *body, size_t length)
{
	struct set set;

	set_make(&set);
	const enum proc_child_answer answer = hear(&set, kind, body, length);
	/* A child that asks is not kept waiting in vain. */
	char pin[16];
	if (answer == PROC_CHILD_GARBLED)
		assert_int_equal(told(&set, pin), HSM_ASK_NO_FURTHER);
	set_done(&set);
	return answer != PROC_CHILD_GARBLED;
}

static void a_wrong_kind_length_index_or_nonce_is_no_message(void **state)
{
	unsigned char zeroes[4096] = { 0 };

	(void)state;
	assert_false(taken(0, zeroes, 0));
	assert_false(taken(99, zeroes, 16));
	assert_false(taken(HSM_MESSAGE_SLOT, zeroes, sizeof(struct hsm_slot) - 1));
	assert_false(taken(HSM_MESSAGE_SLOT, zeroes, 4096));
	assert_true(taken(HSM_MESSAGE_SLOT, zeroes, sizeof(struct hsm_slot)));
	assert_false(taken(HSM_MESSAGE_ALL, "0123456789abcdeX", HSM_NONCE_SIZE));
	assert_true(taken(HSM_MESSAGE_ALL, "0123456789abcdef", HSM_NONCE_SIZE));
	assert_true(taken(HSM_MESSAGE_OBJECT, "/lib/x.so", 10));
	assert_false(taken(HSM_MESSAGE_OBJECT, "/lib/x.so", 9)); /* without its NUL */
	assert_false(taken(HSM_MESSAGE_OBJECT, "", 0));
	assert_true(taken(HSM_MESSAGE_LOADED, "", 0));
	assert_false(taken(HSM_MESSAGE_LOADED, "", 1));
	assert_true(taken(HSM_MESSAGE_CALL, &(uint32_t){ HSM_CALL_FINALIZE }, sizeof(uint32_t)));
	assert_false(taken(HSM_MESSAGE_CALL, &(uint32_t){ HSM_CALL_COUNT }, sizeof(uint32_t)));
}

/* The permission after these objects were told, with the PIN only if all is well; and the fault. */
static uint32_t permission_for(int root, const char *const objects[], size_t count, struct fault *ret_fault)
{
	char secret[] = "1234", pin[16] = "";
	const struct hsm_key_question key = { .label = "root", .pin = secret, .pin_length = 4 };
	struct set set;

	set_make(&set);
	set.listener.root = root;
	set.listener.key = &key;
	for (size_t i = 0; i <= count; i++) {
		assert_int_equal(told(&set, pin), 0);
		const enum proc_child_answer answer =
			i < count ? hear(&set, HSM_MESSAGE_OBJECT, objects[i], strlen(objects[i]) + 1)
				  : hear(&set, HSM_MESSAGE_LOADED, "", 0);
		assert_int_equal(answer, PROC_CHILD_MORE);
	}
	*ret_fault = set.listener.distrust;
	const uint32_t permission = told(&set, pin);
	assert_string_equal(pin, permission == HSM_ASK_GO_ON ? secret : "");
	set_done(&set);
	return permission;
}

static void the_library_may_be_called_when_all_that_was_loaded_is_roots_choice(void **state)
{
	const struct unit_place *place = *state;
	static const char *const objects[] = { "/a.so", "/b.so" };
	struct fault f = { 0 };

	assert_int_equal(fchmod(place->dir, 0755), 0);
	for (size_t i = 0; i < 2; i++) {
		FS_AUTO int ours = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		FS_AUTO int fd = openat(place->dir, objects[i] + 1, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		MUST(fs_copy(ours, fd, objects[i], &f));
		assert_int_equal(fchmod(fd, 0644), 0);
	}
	assert_int_equal(permission_for(place->dir, objects, 2, &f), HSM_ASK_GO_ON);
	assert_int_equal(permission_for(place->dir, objects, 0, &f), HSM_ASK_GO_ON);
	assert_int_equal(fchmodat(place->dir, "a.so", 0666, 0), 0);
	assert_int_equal(permission_for(place->dir, objects, 2, &f), HSM_ASK_NO_FURTHER);
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_non_null(strstr(f.text, "'/a.so' is loaded with it: library '/a.so' (mode 0666)"));
	assert_int_equal(unlinkat(place->dir, "a.so", 0), 0);
	assert_int_equal(permission_for(place->dir, objects, 2, &f), HSM_ASK_NO_FURTHER);
}

static void flags_and_unended_texts_are_not_believed(void **state)
{
	struct hsm_slot slot;
	struct set set;

	(void)state;
	memset(&slot, 0xa5, sizeof(slot));
	slot.slot_rv = CKR_OK;
	slot.token_rv = CKR_TOKEN_NOT_PRESENT;
	set_make(&set);
	assert_int_equal(hear(&set, HSM_MESSAGE_SLOT, &slot, sizeof(slot)), PROC_CHILD_MORE);
	assert_int_equal(set.answer.slot_count, 1);
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
		assert_int_equal(hear(&set, HSM_MESSAGE_SLOT, &slot, sizeof(slot)),
				 i == HSM_SLOTS_MAX ? PROC_CHILD_GARBLED : PROC_CHILD_MORE);
	}
	set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_kept_and_the_nonce_is_the_end),
		cmocka_unit_test(a_wrong_kind_length_index_or_nonce_is_no_message),
		UNIT_IN_PLACE(the_library_may_be_called_when_all_that_was_loaded_is_roots_choice),
		cmocka_unit_test(flags_and_unended_texts_are_not_believed),
		cmocka_unit_test(more_slots_than_any_hsm_has_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
