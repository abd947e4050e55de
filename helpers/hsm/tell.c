#include "hsm/tell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool hsm_teller_start(struct teller *t, int fd, struct hsm_board *board)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return false;
	*t = (struct teller){ .fd = fd, .dev = status.st_dev, .ino = status.st_ino, .board = board };
	return true;
}

static void teller_lost(const struct teller *t)
{
	t->board->lost = 1;
	_exit(1);
}

void hsm_teller_tell(const struct teller *t, enum tell_kind kind, const void *body, size_t length)
{
	struct stat status;

	if (fstat(t->fd, &status) < 0 || status.st_dev != t->dev || status.st_ino != t->ino ||
	    proc_message_write(t->fd, kind, body, length) < 0)
		teller_lost(t);
}

/* Of each kind, exactly this long. */
static size_t body_length(uint32_t kind)
{
	switch (kind) {
	case TELL_INFO:
		return sizeof(struct cryptoki_info);
	case TELL_SLOT:
		return sizeof(struct hsm_slot);
	case TELL_MECHANISM:
		return sizeof(struct tell_mechanism);
	case TELL_INTERFACE:
		return sizeof(struct hsm_interface);
	case TELL_KEY:
		return sizeof(struct tell_key);
	case TELL_NOTE:
		return TELL_TEXT_SIZE;
	case TELL_STOP:
		return sizeof(struct tell_stop);
	case TELL_ALL:
		return TELL_TOKEN_SIZE;
	default:
		return SIZE_MAX;
	}
}

#define TERMINATE(array) ((array)[sizeof(array) - 1] = '\0')

static void info_take(struct hsm_answer *answer, const void *body)
{
	struct cryptoki_info info;

	memcpy(&info, body, sizeof(info));
	answer->info_known = true;
	answer->cryptoki = info.cryptoki;
	answer->library_version = info.version;
	answer->library_flags = info.flags;
	cryptoki_text_copy(answer->library_manufacturer, info.manufacturer, sizeof(info.manufacturer));
	cryptoki_text_copy(answer->library_description, info.library, sizeof(info.library));
}

static bool slot_take(struct hsm_answer *answer, const void *body)
{
	if (answer->slot_count >= HSM_SLOTS_MAX)
		return false;
	struct hsm_slot *grown = realloc(answer->slots, (answer->slot_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return false;
	answer->slots = grown;
	struct hsm_slot *slot = &grown[answer->slot_count];
	memcpy(slot, body, sizeof(*slot));
	TERMINATE(slot->description);
	TERMINATE(slot->slot_manufacturer);
	TERMINATE(slot->label);
	TERMINATE(slot->manufacturer);
	TERMINATE(slot->model);
	TERMINATE(slot->serial);
	TERMINATE(slot->utc_time);
	/* What follows from the rest is worked out here, and no pointer is taken from a pipe. */
	slot->present = slot->slot_rv == CKR_OK && slot->hsm_rv != CKR_TOKEN_NOT_PRESENT;
	slot->usable = slot->present && slot->hsm_rv == CKR_OK && (slot->flags & CKF_TOKEN_INITIALIZED) != 0;
	slot->mechanisms = NULL;
	slot->mechanism_count = 0;
	answer->slot_count++;
	return true;
}

static bool mechanism_take(struct hsm_answer *answer, const void *body)
{
	struct tell_mechanism told;

	memcpy(&told, body, sizeof(told));
	if (told.slot_index >= answer->slot_count)
		return false;
	struct hsm_slot *slot = &answer->slots[told.slot_index];
	if (slot->mechanism_count >= HSM_MECHANISMS_MAX)
		return false;
	struct hsm_mechanism *grown = realloc(slot->mechanisms, (slot->mechanism_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return false;
	slot->mechanisms = grown;
	grown[slot->mechanism_count++] = told.mechanism;
	return true;
}

static bool interface_take(struct hsm_answer *answer, const void *body)
{
	if (answer->interface_count >= HSM_INTERFACES_MAX)
		return false;
	struct hsm_interface *interface = &answer->interfaces[answer->interface_count++];
	memcpy(interface, body, sizeof(*interface));
	TERMINATE(interface->name);
	return true;
}

static void key_take(struct hsm_answer *answer, const void *body)
{
	struct tell_key told;

	memcpy(&told, body, sizeof(told));
	const char *call = hsm_call_name((uint32_t)told.call);
	answer->key = (struct hsm_key){
		.asked = true,
		.slot = told.slot,
		.rv = told.rv,
		.call = call[0] != '\0' ? call : NULL,
		.found = told.found,
		.type = told.type,
		.length = told.length,
		.sensitive = told.sensitive != 0,
		.extractable = told.extractable != 0,
		.tried = told.tried != 0,
		.encrypted = told.encrypted != 0,
	};
}

static bool note_take(struct tell_listener *l, const void *body)
{
	char note[TELL_TEXT_SIZE];

	memcpy(note, body, sizeof(note));
	TERMINATE(note);
	text_add_format(&l->notes, "%s\n", SHOWN(note));
	return l->notes.length < TELL_LENGTH_MAX * 32;
}

/* One record.  False: that is none of ours. */
static bool record_take(struct tell_listener *l, uint32_t kind, const void *body, bool *ret_all)
{
	switch ((enum tell_kind)kind) {
	case TELL_INFO:
		info_take(l->answer, body);
		return true;
	case TELL_SLOT:
		return slot_take(l->answer, body);
	case TELL_MECHANISM:
		return mechanism_take(l->answer, body);
	case TELL_INTERFACE:
		return interface_take(l->answer, body);
	case TELL_KEY:
		key_take(l->answer, body);
		return true;
	case TELL_NOTE:
		return note_take(l, body);
	case TELL_STOP:
		memcpy(&l->stop, body, sizeof(l->stop));
		TERMINATE(l->stop.text);
		l->stopped = true;
		return true;
	case TELL_ALL:
		*ret_all = memcmp(body, l->token, sizeof(l->token)) == 0;
		return *ret_all;
	}
	return false;
}

enum proc_child_answer hsm_tell_hear(void *listener, const struct proc_message *message)
{
	struct tell_listener *l = listener;
	bool all = false;

	l->total += message->length;
	if (l->total > TELL_TOTAL_MAX || message->length != body_length(message->kind) ||
	    !record_take(l, message->kind, message->bytes, &all))
		return PROC_CHILD_GARBLED;
	return all ? PROC_CHILD_ALL : PROC_CHILD_MORE;
}

void hsm_tell_listener_done(struct tell_listener *l)
{
	text_done(&l->notes);
}
