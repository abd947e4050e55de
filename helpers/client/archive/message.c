#include "client/archive/message.h"

#include <string.h>

#include "client/archive/limits.h"
#include "fs/read.h"

enum { GATHERED_MAX = 64 * 1024, NAME_SENT_MAX = LIMITS_PATH + 1 };

struct member_head {
	uint64_t size;
	uint32_t type, mode, name_length, target_length;
};

struct fault_head {
	uint32_t kind;
	int32_t errnum;
};

/* --- sending ------------------------------------------------------------------------------------------------------ */

int message_flush(struct message_writer *w, struct fault *f)
{
	if (text_check(&w->gathered, f) < 0)
		return -1;
	const int r = fs_write(w->fd, "the installing process", w->gathered.bytes, w->gathered.length, f);
	text_cut(&w->gathered, 0);
	return r;
}

int message_send(struct message_writer *w, enum message_kind kind, const void *bytes, size_t length, struct fault *f)
{
	proc_message_add(&w->gathered, kind, bytes, length);
	return w->gathered.length < GATHERED_MAX && !w->gathered.failed ? 0 : message_flush(w, f);
}

int message_send_member(struct message_writer *w, const struct member *member, struct fault *f)
{
	unsigned char bytes[sizeof(struct member_head) + 2 * NAME_SENT_MAX];
	const struct member_head head = {
		.size = member->size,
		.type = member->type,
		.mode = member->mode,
		.name_length = (uint32_t)(member->name_length < NAME_SENT_MAX ? member->name_length : NAME_SENT_MAX),
		.target_length =
			(uint32_t)(member->target_length < NAME_SENT_MAX ? member->target_length : NAME_SENT_MAX),
	};

	memcpy(bytes, &head, sizeof(head));
	if (head.name_length > 0)
		memcpy(bytes + sizeof(head), member->name, head.name_length);
	if (head.target_length > 0)
		memcpy(bytes + sizeof(head) + head.name_length, member->target, head.target_length);
	return message_send(w, MESSAGE_MEMBER, bytes, sizeof(head) + head.name_length + head.target_length, f);
}

void message_send_fault(struct message_writer *w, const struct fault *fault)
{
	unsigned char bytes[sizeof(struct fault_head) + FAULT_TEXT_MAX];
	const struct fault_head head = { .kind = fault->kind, .errnum = fault->errnum };
	const size_t length = strnlen(fault->text, FAULT_TEXT_MAX - 1);
	struct fault ignored = { 0 };

	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), fault->text, length);
	if (message_send(w, MESSAGE_FAULT, bytes, sizeof(head) + length, &ignored) == 0)
		(void)message_flush(w, &ignored);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

int message_take_member(const struct proc_message *message, struct member *ret_member)
{
	const unsigned char *bytes = message->bytes;
	struct member_head head;

	if (message->length < sizeof(head))
		return -1;
	memcpy(&head, bytes, sizeof(head));
	if (head.name_length > NAME_SENT_MAX || head.target_length > NAME_SENT_MAX ||
	    message->length != sizeof(head) + head.name_length + head.target_length || head.type > MEMBER_UNKNOWN)
		return -1;
	*ret_member = (struct member){ .type = (enum member_type)head.type,
				       .name = bytes + sizeof(head),
				       .name_length = head.name_length,
				       .target = bytes + sizeof(head) + head.name_length,
				       .target_length = head.target_length,
				       .size = head.size,
				       .mode = head.mode };
	return 0;
}

/* Foreign words may be in it, and whoever sends them has read foreign bytes. */
static bool is_printable(const char *text, size_t length)
{
	for (size_t at = 0; at < length;) {
		uint32_t character;
		const size_t part = text_utf8_next(text + at, length - at, &character);
		if (part == 0 || text_is_deceptive(character))
			return false;
		at += part;
	}
	return true;
}

int message_take_fault(const struct proc_message *message, struct fault *f)
{
	struct fault_head head;
	char text[FAULT_TEXT_MAX];

	if (message->length < sizeof(head) || message->length - sizeof(head) >= sizeof(text))
		return -1;
	memcpy(&head, message->bytes, sizeof(head));
	const size_t length = message->length - sizeof(head);
	memcpy(text, (const char *)message->bytes + sizeof(head), length);
	text[length] = '\0';
	const char *words = is_printable(text, length) ? text : SHOWN(text);
	if (head.kind == FAULT_REFUSED)
		(void)fault_refused(f, "%s", words);
	else
		(void)fault_system(f, 0, "%s", words);
	f->errnum = head.errnum;
	return 0;
}
