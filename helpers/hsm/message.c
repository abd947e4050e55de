#include "hsm/message.h"

#include <string.h>

#include "base/array.h"
#include "hsm/library.h"

/* One answer to one question, so that it is bound to fit. */
static bool permit(const struct hsm_listener *l, enum hsm_ask permission)
{
	const bool go_on = permission == HSM_ASK_GO_ON && l->key != NULL;
	struct text message = { 0 };
	struct fault ignored = { 0 };

	proc_message_add(&message, permission, go_on ? l->key->pin : "", go_on ? l->key->pin_length : 0);
	const bool sent = proc_child_send(l->child, &message, &ignored) == 0;
	text_done_secret(&message);
	return sent;
}

#define TERMINATE(array) ((array)[sizeof(array) - 1] = '\0')

static bool on_info(struct hsm_listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;
	struct cryptoki_info info;

	memcpy(&info, body, sizeof(info));
	answer->info_known = true;
	answer->cryptoki = info.cryptoki;
	answer->library_version = info.version;
	answer->library_flags = info.flags;
	cryptoki_text_copy(answer->library_manufacturer, info.manufacturer, sizeof(info.manufacturer));
	cryptoki_text_copy(answer->library_description, info.library, sizeof(info.library));
	return true;
}

static bool on_slot(struct hsm_listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;

	if (answer->slot_count >= HSM_SLOTS_MAX || !ARRAY_GROW(answer->slots, answer->slot_count))
		return false;
	struct hsm_slot *slot = &answer->slots[answer->slot_count++];
	memcpy(slot, body, sizeof(*slot));
	TERMINATE(slot->description);
	TERMINATE(slot->slot_manufacturer);
	TERMINATE(slot->label);
	TERMINATE(slot->manufacturer);
	TERMINATE(slot->model);
	TERMINATE(slot->serial);
	TERMINATE(slot->utc_time);
	/* What follows from the rest is worked out here. */
	slot->present = slot->slot_rv == CKR_OK && slot->token_rv != CKR_TOKEN_NOT_PRESENT;
	slot->usable = slot->present && slot->token_rv == CKR_OK && (slot->flags & CKF_TOKEN_INITIALIZED) != 0 &&
		       slot->session_call != HSM_CALL_NONE && slot->session_rv == CKR_OK;
	return true;
}

static bool on_member(struct hsm_listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;

	if (answer->member_count >= HSM_MEMBERS_MAX || !ARRAY_GROW(answer->members, answer->member_count))
		return false;
	struct hsm_member *member = &answer->members[answer->member_count++];
	memcpy(member, body, sizeof(*member));
	TERMINATE(member->serial);
	return true;
}

static bool on_key(struct hsm_listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;
	struct hsm_key_message message;

	if (answer->key_count >= HSM_SLOTS_MAX || !ARRAY_GROW(answer->keys, answer->key_count))
		return false;
	memcpy(&message, body, sizeof(message));
	const char *call = hsm_call_name((uint32_t)message.call);
	answer->keys[answer->key_count++] = (struct hsm_key){
		.slot = message.slot,
		.rv = message.rv,
		.call = call[0] != '\0' ? call : NULL,
		.found = message.found,
		.type = message.type,
		.length = message.length,
		.sensitive = message.sensitive != 0,
		.extractable = message.extractable != 0,
	};
	return true;
}

static bool on_note(struct hsm_listener *l, const void *body)
{
	char note[HSM_TEXT_SIZE];

	memcpy(note, body, sizeof(note));
	TERMINATE(note);
	report_say(l->report, REPORT_WARNING, "%s", SHOWN(note));
	return ++l->notes < HSM_NOTES_MAX;
}

static bool on_stop(struct hsm_listener *l, const void *body)
{
	memcpy(&l->stop, body, sizeof(l->stop));
	TERMINATE(l->stop.text);
	l->stopped = true;
	return true;
}

/* The first that is not root's choice is kept. */
static bool on_object(struct hsm_listener *l, const char *path, size_t length)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;

	if (length == 0 || path[length - 1] != '\0' || l->objects++ == HSM_OBJECTS_MAX)
		return false;
	if (l->distrust.kind == FAULT_NONE && hsm_library_find(l->root, path, &place, &l->distrust) < 0)
		(void)fault_prefix(&l->distrust, "'%s' is loaded with it: ", SHOWN(path));
	return true;
}

static bool on_loaded(struct hsm_listener *l)
{
	return permit(l, l->distrust.kind == FAULT_NONE ? HSM_ASK_GO_ON : HSM_ASK_NO_FURTHER);
}

static bool on_call(struct hsm_listener *l, const void *body)
{
	uint32_t call;

	memcpy(&call, body, sizeof(call));
	l->answer->call = hsm_call_name(call);
	return call < HSM_CALL_COUNT;
}

/* Of each kind that has one, the length. */
static const struct {
	bool (*on)(struct hsm_listener *l, const void *body);
	size_t length;
} fixed[] = {
	[HSM_MESSAGE_INFO] = { on_info, sizeof(struct cryptoki_info) },
	[HSM_MESSAGE_SLOT] = { on_slot, sizeof(struct hsm_slot) },
	[HSM_MESSAGE_MEMBER] = { on_member, sizeof(struct hsm_member) },
	[HSM_MESSAGE_KEY] = { on_key, sizeof(struct hsm_key_message) },
	[HSM_MESSAGE_NOTE] = { on_note, HSM_TEXT_SIZE },
	[HSM_MESSAGE_CALL] = { on_call, sizeof(uint32_t) },
	[HSM_MESSAGE_STOP] = { on_stop, sizeof(struct hsm_stop_message) },
};

/* False: that is none of ours. */
static bool on_message(struct hsm_listener *l, const struct proc_message *message, bool *ret_all)
{
	l->begun = true;
	l->bytes += message->length;
	if (l->bytes > HSM_BYTES_MAX)
		return false;
	switch (message->kind) {
	case HSM_MESSAGE_ALL:
		*ret_all = message->length == HSM_NONCE_SIZE && memcmp(message->bytes, l->nonce, HSM_NONCE_SIZE) == 0;
		return *ret_all;
	case HSM_MESSAGE_OBJECT:
		return on_object(l, message->bytes, message->length);
	case HSM_MESSAGE_LOADED:
		return message->length == 0 && on_loaded(l);
	default:
		return message->kind < sizeof(fixed) / sizeof(fixed[0]) && fixed[message->kind].on != NULL &&
		       message->length == fixed[message->kind].length && fixed[message->kind].on(l, message->bytes);
	}
}

enum proc_child_answer hsm_listen(void *listener, const struct proc_message *message)
{
	struct hsm_listener *l = listener;
	bool all = false;

	if (!on_message(l, message, &all)) {
		/* It need not wait for the answer to a question that we shall not read. */
		(void)permit(l, HSM_ASK_NO_FURTHER);
		return PROC_CHILD_GARBLED;
	}
	return all ? PROC_CHILD_ALL : PROC_CHILD_MORE;
}
