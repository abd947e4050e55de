/*
 * hsm/answer: what a library reported about itself, its slots and the key, with likely causes, as a table and as JSON.
 *
 * Promise: the table is what `vtl listslots` of client 7 and 10 prints: "Number of slots: N", and for N > 0 the
 * heading, the rule of '=' (4, 20, 32, 16 and 12 columns) and one row per slot, the status last and without padding.
 * The rule's columns are exact: a text that is too long is cut, control bytes are shown as \xHH, and a slot number of
 * more than four digits widens its column in heading, rule and rows.
 */
#ifndef OKV_HSM_ANSWER_H
#define OKV_HSM_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "hsm/cryptoki.h"
#include "hsm/library.h"
#include "hsm/names.h"

enum {
	HSM_SLOTS_MAX = 1024, /* more is HSM_END_LIED */
	HSM_MEMBERS_MAX = HSM_SLOTS_MAX,
};

/* How the conversation with the library ended. */
enum hsm_end {
	HSM_END_WHOLE,      /* it answered everything, zero slots included */
	HSM_END_LATE,       /* a call did not return before the deadline */
	HSM_END_CRASHED,    /* a signal ended the worker inside a call */
	HSM_END_LEFT,       /* the library ended the process by itself */
	HSM_END_CLOSED,     /* the library closed descriptors that are not its own */
	HSM_END_UNNAMED,    /* the user cannot read the file that names the library to OKV */
	HSM_END_UNLOADABLE, /* the loader refused it, it has no C_GetFunctionList, or others can write what it loads */
	HSM_END_ERROR,      /* a call answered with an error that leaves no slot list */
	HSM_END_LIED,       /* it broke the rules of PKCS#11: impossible counts, a list that never stops growing */
};

/* Sent by the worker.  Texts come from the library and may hold any bytes: print them with SHOWN(). */
struct hsm_slot {
	uint64_t id;
	uint64_t slot_rv;                 /* of C_GetSlotInfo */
	uint64_t token_rv;                /* of C_GetTokenInfo; CKR_TOKEN_NOT_PRESENT if it was not called */
	uint64_t session_rv;              /* of opening and closing a read-only session, without a login */
	uint64_t session_call;            /* enum hsm_call; 0: not tried, as on a token that is not initialised */
	struct cryptoki_slot_info info;   /* zeroes unless slot_rv is CKR_OK */
	struct cryptoki_token_info token; /* zeroes unless token_rv is CKR_OK */
	/* Derived from the above by the parent; texts without the padding. */
	bool present; /* there is a token */
	bool usable;  /* it is initialised (CKF_TOKEN_INITIALIZED), and a session could be opened and closed */
	char description[CRYPTOKI_DESCRIPTION_SIZE + 1];
	char label[CRYPTOKI_LABEL_SIZE + 1];
	char model[CRYPTOKI_MODEL_SIZE + 1];
	char serial[CRYPTOKI_SERIAL_SIZE + 1];
};

/* A member of a high-availability group, from CA_GetHAState. */
struct hsm_member {
	uint64_t slot; /* the group's */
	uint64_t rv;   /* CKR_OK: the member is available */
	char serial[CRYPTOKI_MEMBER_SERIAL_SIZE + 1];
};

/* Sent by the worker, so numbers only: another value than 0 or 1 in a bool is undefined behaviour. */
struct hsm_key {
	uint64_t slot;
	uint64_t rv;           /* of the call that ended the check early, else CKR_OK */
	uint64_t call;         /* that call, an enum hsm_call; 0 if all succeeded */
	uint64_t found;        /* number of secret keys with that label */
	uint64_t type, length; /* CKK_ constant, bytes; length 0: unknown */
	uint64_t sensitive, extractable;
};

/* A cause and its remedy.  The sentence has no full stop; a command can be typed as it stands and removes the cause. */
struct hsm_cause {
	char *sentence; /* owned */
	char *remedy;   /* owned; a command, an instruction, or NULL: the sentence says what to do */
};

struct hsm_causes {
	struct hsm_cause *items; /* owned */
	size_t count;            /* most likely first */
	bool failed;             /* out of memory; later ones are not added */
};

#define HSM_CAUSES_AUTO __attribute__((cleanup(hsm_causes_done))) struct hsm_causes

void hsm_causes_done(struct hsm_causes *causes);
void hsm_causes_add(struct hsm_causes *causes, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Returns -1 if memory was short for one of them. */
int hsm_causes_check(const struct hsm_causes *causes, struct fault *f);

struct hsm_answer {
	enum hsm_end end;
	struct fault fault; /* FAULT_NONE with HSM_END_WHOLE, else the exit status and the sentence */
	const char *call;   /* name of the last call made, "" before the first; static */
	uint64_t rv;        /* its return value, with HSM_END_ERROR */
	uint64_t elapsed_ms;
	char *module;                       /* owned; path of the library as requested */
	char *module_real;                  /* owned; with links resolved */
	char *loader;                       /* owned; the text of dlerror(3), or NULL */
	char *links;                        /* owned; the links followed, as "a -> b -> c", or NULL */
	char *user;                         /* owned */
	struct hsm_environment environment; /* owned; empty if it could not be read */

	bool info_known;
	struct cryptoki_info info;

	struct hsm_slot *slots; /* owned; those read so far, whatever `end` is */
	size_t slot_count;
	struct hsm_member *members; /* owned; of all groups */
	size_t member_count;
	struct hsm_causes ha; /* differences between Chrystoki.conf's groups and the slots (hsm/verdict.h) */
	struct hsm_key *keys; /* owned; one for each token on which the key was searched for */
	size_t key_count;

	size_t printed;   /* bytes the library wrote to standard output and error */
	unsigned orphans; /* processes that it left behind and that were killed */
};

#define HSM_ANSWER_INIT \
	{ \
		.end = HSM_END_LEFT, .fault = { 0 }, .call = "" \
	}
#define HSM_ANSWER_AUTO __attribute__((cleanup(hsm_answer_done))) struct hsm_answer

void hsm_answer_done(struct hsm_answer *answer);
size_t hsm_answer_usable(const struct hsm_answer *answer);
/* Does the slot hold a token with that label and serial number (NULL: any)?  It need not be usable. */
bool hsm_slot_matches(const struct hsm_slot *slot, const char *label, const char *serial);
/*
 * The slot that OKV will take: the first in the list that matches.  Without a label and a serial number it is the first
 * of all, even one without a token.  NULL if there is none.
 */
const struct hsm_slot *hsm_answer_taken(const struct hsm_answer *answer, const char *label, const char *serial);
/*
 * A warning if the token reports trouble with OKV's PIN short of a lock, else NULL.  Sessions can still be opened, so
 * nothing else shows it.
 */
const char *hsm_slot_pin_warning(const struct hsm_slot *slot);
/* Why the slot is not usable: "its token is not initialised", "C_OpenSession answered CKR_DEVICE_ERROR". */
const char *hsm_slot_fault(struct hsm_name *storage, const struct hsm_slot *slot);
/* May be used as a printf argument, as HSM_RV() may. */
#define HSM_SLOT_FAULT(slot) hsm_slot_fault(&(struct hsm_name){ { 0 } }, (slot))
void hsm_answer_table(const struct hsm_answer *answer, struct text *out);
/* Adds the whole answer to the open object, with all that C_GetInfo, C_GetSlotInfo and C_GetTokenInfo returned. */
void hsm_answer_json(const struct hsm_answer *answer, struct json *j);

#endif
