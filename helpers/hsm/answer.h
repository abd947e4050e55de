/*
 * hsm/answer: what a library showed of itself, its slots and the key, how that is shown to people and programs, and why
 * it may be so.
 *
 * Promise: the table is what `vtl listslots` of client 7 and 10 prints: "Number of slots: N", and for N > 0 the
 * heading, the rule of '=' (4, 20, 32, 16 and 12 columns) and one row per slot, the status last and without padding.
 * Every column can be cut by the rule: a text that is too long is cut, control bytes are shown as \xHH, and a slot
 * number of more than four digits widens its column in all three.
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
	HSM_SLOTS_MAX = 1024, /* a library that claims more is not believed */
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
	HSM_END_LIED,       /* it broke the rules of PKCS#11: impossible counts, lists that never hold still */
};

/* As the worker tells of it; what the library gave may be any bytes: show texts with SHOWN(). */
struct hsm_slot {
	uint64_t id;
	uint64_t slot_rv;                 /* of C_GetSlotInfo */
	uint64_t token_rv;                /* of C_GetTokenInfo; CKR_TOKEN_NOT_PRESENT where it was not asked */
	uint64_t session_rv;              /* of the calls that opened and closed a read-only session, without a login */
	uint64_t session_call;            /* enum hsm_call; 0: none was tried, as on a token that is not initialised */
	struct cryptoki_slot_info info;   /* zeroes where slot_rv says no */
	struct cryptoki_token_info token; /* zeroes where token_rv says no */
	/* What follows from that, worked out by whoever hears it; texts without the padding. */
	bool present; /* a token is there */
	bool usable;  /* ... it is initialised (CKF_TOKEN_INITIALIZED), and a session was opened on it and closed */
	char description[CRYPTOKI_DESCRIPTION_SIZE + 1];
	char label[CRYPTOKI_LABEL_SIZE + 1];
	char model[CRYPTOKI_MODEL_SIZE + 1];
	char serial[CRYPTOKI_SERIAL_SIZE + 1];
};

/* Of a high-availability group, as CA_GetHAState tells. */
struct hsm_member {
	uint64_t slot; /* the group's */
	uint64_t rv;   /* CKR_OK: it is there */
	char serial[CRYPTOKI_MEMBER_SERIAL_SIZE + 1];
};

/* Numbers only: a bool may not hold what a stranger wrote. */
struct hsm_key {
	uint64_t slot;
	uint64_t rv;           /* of the call that ended the check early, else CKR_OK */
	uint64_t call;         /* that, an enum hsm_call; 0 when all went through */
	uint64_t found;        /* objects of class secret key with that label */
	uint64_t type, length; /* CKK_, bytes; length 0 where the library does not tell */
	uint64_t sensitive, extractable;
};

/* Why, and what fixes it.  A sentence has no full stop; a command can be typed as it stands and removes the cause. */
struct hsm_cause {
	char *sentence; /* owned */
	char *remedy;   /* owned; a command, what a person does, or NULL: the sentence says what to do */
};

struct hsm_causes {
	struct hsm_cause *items; /* owned */
	size_t count;            /* the likeliest first */
	bool failed;             /* there was no memory for one; later ones are not added */
};

#define HSM_CAUSES_AUTO __attribute__((cleanup(hsm_causes_done))) struct hsm_causes

void hsm_causes_done(struct hsm_causes *causes);
void hsm_causes_add(struct hsm_causes *causes, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* 0, or -1 when there was no memory for one of them. */
int hsm_causes_check(const struct hsm_causes *causes, struct fault *f);

struct hsm_answer {
	enum hsm_end end;
	struct fault fault; /* FAULT_NONE with HSM_END_WHOLE, else kind (exit status) and the sentence */
	const char *call;   /* the last call made (static), "" before the first */
	uint64_t rv;        /* its answer, with HSM_END_ERROR */
	uint64_t elapsed_ms;
	char *module;                       /* owned; as asked for */
	char *module_real;                  /* owned; behind all links */
	char *loader;                       /* owned; what dlerror(3) said, or NULL */
	char *links;                        /* owned; the chain as "a -> b -> c", or NULL */
	char *user;                         /* owned */
	struct hsm_environment environment; /* owned; empty when it could not be read */

	bool info_known;
	struct cryptoki_info info;

	struct hsm_slot *slots; /* owned; as far as they were read, also when the end was not whole */
	size_t slot_count;
	struct hsm_member *members; /* owned; of all groups */
	size_t member_count;
	struct hsm_causes ha; /* how the groups of Chrystoki.conf differ from what shows (hsm/verdict.h) */
	struct hsm_key *keys; /* owned; of each token that was asked for it */
	size_t key_count;

	size_t printed;   /* bytes the library wrote to standard output and error */
	unsigned orphans; /* processes that it had started and that were killed */
};

#define HSM_ANSWER_INIT \
	{ \
		.end = HSM_END_LEFT, .fault = { 0 }, .call = "" \
	}
#define HSM_ANSWER_AUTO __attribute__((cleanup(hsm_answer_done))) struct hsm_answer

void hsm_answer_done(struct hsm_answer *answer);
size_t hsm_answer_usable(const struct hsm_answer *answer);
/* Is that a token of that label and serial number (NULL: any), usable or not? */
bool hsm_slot_is_meant(const struct hsm_slot *slot, const char *label, const char *serial);
/*
 * The slot that OKV will take: the first in the list that is meant; where any is, the very first, whatever is in it.
 * NULL where there is none.
 */
const struct hsm_slot *hsm_answer_taken(const struct hsm_answer *answer, const char *label, const char *serial);
/*
 * What the token itself says against the next login with OKV's PIN, short of its being locked; a sentence, or NULL.  A
 * session is opened all the same.
 */
const char *hsm_slot_pin_warning(const struct hsm_slot *slot);
/* Why it is not usable: "its token is not initialised", "C_OpenSession answered CKR_DEVICE_ERROR". */
const char *hsm_slot_fault(struct hsm_name *storage, const struct hsm_slot *slot);
/* May be used as a printf argument, as HSM_RV() may. */
#define HSM_SLOT_FAULT(slot) hsm_slot_fault(&(struct hsm_name){ { 0 } }, (slot))
void hsm_answer_table(const struct hsm_answer *answer, struct text *out);
/* The whole answer as members of the object that is open: everything C_GetInfo, C_GetSlotInfo, C_GetTokenInfo gave. */
void hsm_answer_json(const struct hsm_answer *answer, struct json *j);

#endif
