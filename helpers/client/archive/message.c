#include "client/archive/message.h"

#include <string.h>

#include "client/archive/limits.h"

enum { NAME_SENT_MAX = LIMITS_PATH + 1 };

struct member_head {
	uint64_t size;
	uint32_t type, mode, name_length, target_length;
};

static uint32_t length_sent(size_t length)
{
	return (uint32_t)(length < NAME_SENT_MAX ? length : NAME_SENT_MAX);
}

void message_add_member(struct text *out, const struct member *member)
{
	unsigned char bytes[sizeof(struct member_head) + 2 * NAME_SENT_MAX];
	const struct member_head head = { .size = member->size,
					  .type = member->type,
					  .mode = member->mode,
					  .name_length = length_sent(member->name_length),
					  .target_length = length_sent(member->target_length) };

	memcpy(bytes, &head, sizeof(head));
	if (head.name_length > 0)
		memcpy(bytes + sizeof(head), member->name, head.name_length);
	if (head.target_length > 0)
		memcpy(bytes + sizeof(head) + head.name_length, member->target, head.target_length);
	proc_message_add(out, MESSAGE_MEMBER, bytes, sizeof(head) + head.name_length + head.target_length);
}

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
