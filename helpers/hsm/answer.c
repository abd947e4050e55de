#include "hsm/answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void hsm_causes_done(struct hsm_causes *causes)
{
	for (size_t i = 0; i < causes->count; i++) {
		free(causes->items[i].sentence);
		free(causes->items[i].remedy);
	}
	free(causes->items);
	*causes = (struct hsm_causes){ 0 };
}

void hsm_causes_add(struct hsm_causes *causes, const char *remedy, const char *format, ...)
{
	struct hsm_cause cause = { .remedy = remedy != NULL ? strdup(remedy) : NULL };
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&cause.sentence, format, arguments) < 0)
		cause.sentence = NULL;
	va_end(arguments);
	if (!causes->failed && cause.sentence != NULL && (remedy == NULL || cause.remedy != NULL) &&
	    ARRAY_GROW(causes->items, causes->count)) {
		causes->items[causes->count++] = cause;
		return;
	}
	free(cause.sentence);
	free(cause.remedy);
	causes->failed = true;
}

int hsm_causes_check(const struct hsm_causes *causes, struct fault *f)
{
	return causes->failed ? fault_memory(f) : 0;
}

void hsm_answer_done(struct hsm_answer *answer)
{
	free(answer->slots);
	free(answer->members);
	free(answer->keys);
	hsm_causes_done(&answer->ha);
	hsm_environment_done(&answer->environment);
	free(answer->module);
	free(answer->module_real);
	free(answer->links);
	free(answer->loader);
	free(answer->user);
	*answer = (struct hsm_answer)HSM_ANSWER_INIT;
}

size_t hsm_answer_usable(const struct hsm_answer *answer)
{
	size_t count = 0;

	for (size_t i = 0; i < answer->slot_count; i++)
		count += answer->slots[i].usable;
	return count;
}

bool hsm_slot_matches(const struct hsm_slot *slot, const char *label, const char *serial)
{
	return slot->present && (label == NULL || strcmp(slot->label, label) == 0) &&
	       (serial == NULL || strcmp(slot->serial, serial) == 0);
}

const struct hsm_slot *hsm_answer_taken(const struct hsm_answer *answer, const char *label, const char *serial)
{
	/* Without a label OKV takes the first slot of the list, whatever is in it. */
	const bool any = label == NULL && serial == NULL;

	for (size_t i = 0; i < answer->slot_count; i++)
		if (any || hsm_slot_matches(&answer->slots[i], label, serial))
			return &answer->slots[i];
	return NULL;
}

const char *hsm_slot_pin_warning(const struct hsm_slot *slot)
{
	const unsigned long flags = slot->token.flags;

	return (flags & CKF_USER_PIN_FINAL_TRY) != 0   ? "one more wrong PIN locks it"
	       : (flags & CKF_USER_PIN_CHANGE) != 0    ? "its PIN has to be changed before it can be used"
	       : (flags & CKF_USER_PIN_COUNT_LOW) != 0 ? "a wrong PIN was given since the last login"
						       : NULL;
}

/* Does the key exist exactly once, and can it not leave the HSM? */
static bool is_good(const struct hsm_key *key)
{
	return key->call == HSM_CALL_NONE && key->found == 1 && key->sensitive != 0 && key->extractable == 0;
}

const char *hsm_slot_fault(struct hsm_name *storage, const struct hsm_slot *slot)
{
	const char *call = hsm_call_name(slot->session_call);
	uint64_t rv = slot->session_rv;

	if (slot->slot_rv != CKR_OK) {
		call = "C_GetSlotInfo";
		rv = slot->slot_rv;
	} else if (!slot->present) {
		return "it has no token";
	} else if (slot->token_rv != CKR_OK) {
		call = "C_GetTokenInfo";
		rv = slot->token_rv;
	} else if (slot->session_call == HSM_CALL_NONE) {
		return "its token is not initialised";
	}
	(void)snprintf(storage->bytes, sizeof(storage->bytes), "%s answered %s", call, HSM_RV(rv));
	return storage->bytes;
}

/* --- for people --------------------------------------------------------------------------------------------------- */

/* Column widths of vtl in client 7 and 10. */
enum { SLOT_WIDTH = 4, DESCRIPTION_WIDTH = 20, LABEL_WIDTH = 32, SERIAL_WIDTH = 16, STATUS_WIDTH = 12 };

/* Makes the string printable, and cuts or pads it to the width; a UTF-8 character is one column. */
static void cell(struct text *out, const char *string, size_t width)
{
	size_t columns = 0;

	for (const char *at = string; *at != '\0';) {
		uint32_t character;
		size_t step = text_utf8_next(at, strlen(at), &character);
		char hex[8];
		const char *piece = at;
		size_t size = step, wide = 1;
		if (step == 0 || text_is_deceptive(character)) {
			wide = size = (size_t)snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)(unsigned char)at[0]);
			piece = hex;
			step = 1;
		}
		if (columns + wide > width)
			break;
		text_add(out, piece, size);
		columns += wide;
		at += step;
	}
	for (; columns < width; columns++)
		text_add_char(out, ' ');
	text_add_char(out, ' ');
}

static void rule(struct text *out, size_t width, char end)
{
	for (size_t i = 0; i < width; i++)
		text_add_char(out, '=');
	text_add_char(out, end);
}

static int slot_width(const struct hsm_answer *answer)
{
	int width = SLOT_WIDTH;

	for (size_t i = 0; i < answer->slot_count; i++) {
		const int digits = snprintf(NULL, 0, "%" PRIu64, answer->slots[i].id);
		width = digits > width ? digits : width;
	}
	return width;
}

void hsm_answer_table(const struct hsm_answer *answer, struct text *out)
{
	const int width = slot_width(answer);

	text_add_format(out, "Number of slots: %zu\n", answer->slot_count);
	if (answer->slot_count == 0)
		return;
	text_add_format(out, "\nThe following slots were found:\n\n%-*s ", width, "Slot");
	cell(out, "Description", DESCRIPTION_WIDTH);
	cell(out, "Label", LABEL_WIDTH);
	cell(out, "Serial #", SERIAL_WIDTH);
	text_add_string(out, "Status\n");
	rule(out, (size_t)width, ' ');
	rule(out, DESCRIPTION_WIDTH, ' ');
	rule(out, LABEL_WIDTH, ' ');
	rule(out, SERIAL_WIDTH, ' ');
	rule(out, STATUS_WIDTH, '\n');
	for (size_t i = 0; i < answer->slot_count; i++) {
		const struct hsm_slot *slot = &answer->slots[i];
		const char *none = slot->present ? NULL : "-";
		text_add_format(out, "%*" PRIu64 " ", width, slot->id);
		cell(out, none != NULL ? none : slot->description, DESCRIPTION_WIDTH);
		cell(out, none != NULL ? none : slot->label, LABEL_WIDTH);
		cell(out, none != NULL ? none : slot->serial, SERIAL_WIDTH);
		text_add_string(out, slot->present ? "Present\n" : "Not present\n");
	}
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static const char *const end_names[] = {
	[HSM_END_WHOLE] = "whole", [HSM_END_LATE] = "late",     [HSM_END_CRASHED] = "crashed",
	[HSM_END_LEFT] = "left",   [HSM_END_CLOSED] = "closed", [HSM_END_UNNAMED] = "unnamed",
	[HSM_END_ERROR] = "error", [HSM_END_LIED] = "lied",     [HSM_END_UNLOADABLE] = "unloadable",
};

static void version_write(struct json *j, const char *key, struct cryptoki_version version)
{
	char text[8];

	(void)snprintf(text, sizeof(text), "%u.%u", version.major, version.minor);
	json_string(j, key, text);
}

/* Writes a PKCS#11 text: blank-padded, without a NUL. */
static void padded_write(struct json *j, const char *key, const unsigned char *text, size_t size)
{
	char copy[CRYPTOKI_DESCRIPTION_SIZE + 1];

	cryptoki_text_copy(copy, text, size);
	json_string(j, key, copy);
}

/* CK_UNAVAILABLE_INFORMATION becomes null. */
static void count_write(struct json *j, const char *key, uint64_t value)
{
	if (value == CK_UNAVAILABLE_INFORMATION)
		json_string(j, key, NULL);
	else
		json_unsigned(j, key, value);
}

struct flag {
	uint64_t bit;
	const char *name;
};

static const struct flag slot_flags[] = {
	{ 0x001, "TOKEN_PRESENT" },
	{ 0x002, "REMOVABLE_DEVICE" },
	{ 0x004, "HW_SLOT" },
};

static const struct flag token_flags[] = {
	{ 0x00000001, "RNG" },
	{ 0x00000002, "WRITE_PROTECTED" },
	{ 0x00000004, "LOGIN_REQUIRED" },
	{ 0x00000008, "USER_PIN_INITIALIZED" },
	{ 0x00000020, "RESTORE_KEY_NOT_NEEDED" },
	{ 0x00000040, "CLOCK_ON_TOKEN" },
	{ 0x00000100, "PROTECTED_AUTHENTICATION_PATH" },
	{ 0x00000200, "DUAL_CRYPTO_OPERATIONS" },
	{ 0x00000400, "TOKEN_INITIALIZED" },
	{ 0x00000800, "SECONDARY_AUTHENTICATION" },
	{ 0x00010000, "USER_PIN_COUNT_LOW" },
	{ 0x00020000, "USER_PIN_FINAL_TRY" },
	{ 0x00040000, "USER_PIN_LOCKED" },
	{ 0x00080000, "USER_PIN_TO_BE_CHANGED" },
	{ 0x00100000, "SO_PIN_COUNT_LOW" },
	{ 0x00200000, "SO_PIN_FINAL_TRY" },
	{ 0x00400000, "SO_PIN_LOCKED" },
	{ 0x00800000, "SO_PIN_TO_BE_CHANGED" },
	{ 0x01000000, "ERROR_STATE" },
};

/* Names of the bits; the rest in hexadecimal. */
static void flags_write(struct json *j, const struct flag *names, size_t count, uint64_t flags)
{
	json_array_begin(j, "flags");
	for (size_t i = 0; i < count; i++) {
		if ((flags & names[i].bit) != 0)
			json_string(j, NULL, names[i].name);
		flags &= ~names[i].bit;
	}
	if (flags != 0) {
		char text[24];
		(void)snprintf(text, sizeof(text), "0x%" PRIx64, flags);
		json_string(j, NULL, text);
	}
	json_array_end(j);
}

static void token_write(struct json *j, const struct hsm_slot *slot)
{
	const struct cryptoki_token_info *token = &slot->token;

	json_object_begin(j, "token");
	json_string(j, "rv", HSM_RV(slot->token_rv));
	if (slot->token_rv == CKR_OK) {
		json_string(j, "label", slot->label);
		padded_write(j, "manufacturer", token->manufacturer, sizeof(token->manufacturer));
		json_string(j, "model", slot->model);
		json_string(j, "serial", slot->serial);
		flags_write(j, token_flags, sizeof(token_flags) / sizeof(token_flags[0]), token->flags);
		version_write(j, "hardware", token->hardware);
		version_write(j, "firmware", token->firmware);
		count_write(j, "sessions", token->session_count);
		count_write(j, "sessions_max", token->session_max);
		count_write(j, "rw_sessions", token->rw_session_count);
		count_write(j, "rw_sessions_max", token->rw_session_max);
		count_write(j, "pin_least", token->pin_least);
		count_write(j, "pin_most", token->pin_most);
		count_write(j, "public_memory_total", token->public_total);
		count_write(j, "public_memory_free", token->public_free);
		count_write(j, "private_memory_total", token->private_total);
		count_write(j, "private_memory_free", token->private_free);
		padded_write(j, "utc_time", token->utc_time, sizeof(token->utc_time));
	}
	json_object_end(j);
}

static void slot_write(struct json *j, const struct hsm_slot *slot)
{
	const struct cryptoki_slot_info *info = &slot->info;

	json_object_begin(j, NULL);
	json_unsigned(j, "id", slot->id);
	json_bool(j, "present", slot->present);
	json_bool(j, "usable", slot->usable);
	json_string(j, "rv", HSM_RV(slot->slot_rv));
	json_string(j, "description", slot->description);
	padded_write(j, "manufacturer", info->manufacturer, sizeof(info->manufacturer));
	flags_write(j, slot_flags, sizeof(slot_flags) / sizeof(slot_flags[0]), info->flags);
	version_write(j, "hardware", info->hardware);
	version_write(j, "firmware", info->firmware);
	token_write(j, slot);
	if (slot->session_call != HSM_CALL_NONE)
		json_string(j, "session", HSM_RV(slot->session_rv));
	json_object_end(j);
}

static void members_write(struct json *j, const struct hsm_answer *answer)
{
	json_array_begin(j, "members");
	for (size_t i = 0; i < answer->member_count; i++) {
		json_object_begin(j, NULL);
		json_unsigned(j, "slot", answer->members[i].slot);
		json_string(j, "serial", answer->members[i].serial);
		json_string(j, "rv", HSM_RV(answer->members[i].rv));
		json_object_end(j);
	}
	json_array_end(j);
}

/* Writes the first key that is not good, else the last one. */
static void key_write(struct json *j, const struct hsm_answer *answer)
{
	const struct hsm_key *key = answer->keys;

	while (is_good(key) && key + 1 < answer->keys + answer->key_count)
		key++;
	json_object_begin(j, "key");
	json_unsigned(j, "tokens", answer->key_count);
	json_unsigned(j, "slot", key->slot);
	json_string(j, "call", key->call != HSM_CALL_NONE ? hsm_call_name(key->call) : NULL);
	json_string(j, "rv", HSM_RV(key->rv));
	json_unsigned(j, "found", key->found);
	json_unsigned(j, "type", key->type);
	json_unsigned(j, "length", key->length);
	json_bool(j, "sensitive", key->sensitive != 0);
	json_bool(j, "extractable", key->extractable != 0);
	json_object_end(j);
}

static void library_write(struct json *j, const struct hsm_answer *answer)
{
	const struct cryptoki_info *info = &answer->info;

	json_object_begin(j, "library");
	json_string(j, "file", answer->module);
	json_string(j, "real_file", answer->module_real);
	json_string(j, "links", answer->links);
	if (answer->info_known) {
		version_write(j, "cryptoki", info->cryptoki);
		padded_write(j, "manufacturer", info->manufacturer, sizeof(info->manufacturer));
		padded_write(j, "description", info->library, sizeof(info->library));
		version_write(j, "version", info->version);
		json_unsigned(j, "flags", info->flags);
	}
	json_unsigned(j, "printed_bytes", answer->printed);
	json_unsigned(j, "processes_killed", answer->orphans);
	json_object_end(j);
}

void hsm_answer_json(const struct hsm_answer *answer, struct json *j)
{
	json_string(j, "user", answer->user);
	json_string(j, "end", end_names[answer->end]);
	json_string(j, "last_call", answer->call);
	json_string(j, "rv", HSM_RV(answer->rv));
	json_unsigned(j, "elapsed_ms", answer->elapsed_ms);
	library_write(j, answer);
	json_array_begin(j, "slots");
	for (size_t i = 0; i < answer->slot_count; i++)
		slot_write(j, &answer->slots[i]);
	json_array_end(j);
	members_write(j, answer);
	if (answer->key_count > 0)
		key_write(j, answer);
}
