#include "proc/message.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct head {
	uint32_t kind, length;
};

int proc_message_write(int fd, uint32_t kind, const void *bytes, size_t length)
{
	char whole[sizeof(struct head) + PROC_MESSAGE_MAX];
	const struct head head = { .kind = kind, .length = (uint32_t)length };

	if (length > PROC_MESSAGE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(whole, &head, sizeof(head));
	if (length > 0)
		memcpy(whole + sizeof(head), bytes, length);
	for (size_t done = 0; done < sizeof(head) + length;) {
		const ssize_t wrote = write(fd, whole + done, sizeof(head) + length - done);
		if (wrote < 0 && errno != EINTR)
			return -1;
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	return 0;
}

void proc_message_add(struct text *text, uint32_t kind, const void *bytes, size_t length)
{
	const struct head head = { .kind = kind, .length = (uint32_t)length };

	text->failed = text->failed || length > PROC_MESSAGE_MAX;
	text_add(text, &head, sizeof(head));
	text_add(text, bytes, length);
}

void proc_message_reader_add(struct proc_message_reader *reader, const void *bytes, size_t length)
{
	if (reader->broken)
		return;
	text_add(&reader->pending, bytes, length);
	reader->broken = reader->pending.failed;
}

int proc_message_reader_next(struct proc_message_reader *reader, struct proc_message *ret_message)
{
	struct text *pending = &reader->pending;
	const size_t left = pending->length - reader->used;
	struct head head;

	if (!reader->broken && left >= sizeof(head)) {
		memcpy(&head, pending->bytes + reader->used, sizeof(head));
		reader->broken = head.length > PROC_MESSAGE_MAX;
		if (!reader->broken && left - sizeof(head) >= head.length) {
			ret_message->kind = head.kind;
			ret_message->length = head.length;
			ret_message->bytes = pending->bytes + reader->used + sizeof(head);
			reader->used += sizeof(head) + head.length;
			return 1;
		}
	}
	/* Move the incomplete message to the front, so that the buffer does not grow with the stream. */
	if (reader->used > 0) {
		memmove(pending->bytes, pending->bytes + reader->used, left);
		pending->length = left;
		reader->used = 0;
	}
	return reader->broken ? -1 : 0;
}

void proc_message_reader_done(struct proc_message_reader *reader)
{
	text_done_secret(&reader->pending);
	*reader = (struct proc_message_reader){ 0 };
}
