#include "client/archive/name.h"

#include <string.h>

#include "base/text.h"

int name_characters_check(const unsigned char *name, size_t length, struct fault *f)
{
	for (size_t at = 0; at < length;) {
		uint32_t character;
		const size_t part = text_utf8_next(name + at, length - at, &character);
		if (part == 0)
			return fault_refused(f, "the name is not UTF-8");
		if (text_is_deceptive(character))
			return fault_refused(f, "control characters in the name");
		if (name[at] == '\\')
			return fault_refused(f, "a backslash in the name; pack it again with '/' between directories");
		at += part;
	}
	return 0;
}

int name_normalise(const struct member *member, char ret_path[LIMITS_PATH + 1], struct fault *f)
{
	const unsigned char *name = member->name;
	size_t length = member->name_length;
	unsigned depth = 0;

	if (length == 0)
		return fault_refused(f, "the name is empty");
	if (length > LIMITS_PATH)
		return fault_refused(f, "the name is longer than %d bytes", LIMITS_PATH);
	if (name_characters_check(name, length, f) < 0)
		return -1;
	if (name[0] == '/')
		return fault_refused(f, "an absolute name");
	if (length > 1 && name[1] == ':')
		return fault_refused(f, "the name of a drive before the name");
	if (name[length - 1] == '/') {
		if (member->type != MEMBER_DIRECTORY)
			return fault_refused(f, "a slash at the end of a name that is no directory's");
		length--;
	}
	if (length >= 2 && name[0] == '.' && name[1] == '/') {
		name += 2;
		length -= 2;
	} else if (length == 1 && name[0] == '.') {
		length = 0;
	}
	if (length == 0 && member->type != MEMBER_DIRECTORY)
		return fault_refused(f, "the name is the top itself");
	for (size_t at = 0; at < length;) {
		const unsigned char *slash = memchr(name + at, '/', length - at);
		const size_t part = slash != NULL ? (size_t)(slash - name) - at : length - at;
		if (part == 0 || (part == 1 && name[at] == '.'))
			return fault_refused(f, "an empty part or '.' inside the name");
		if (part == 2 && name[at] == '.' && name[at + 1] == '.')
			return fault_refused(f, "'..' in the name");
		if (part > LIMITS_COMPONENT)
			return fault_refused(f, "a part of the name is longer than %d bytes", LIMITS_COMPONENT);
		if (++depth > LIMITS_DEPTH)
			return fault_refused(f, "the name is more than %d directories deep", LIMITS_DEPTH);
		at += part + 1;
		if (at == length)
			return fault_refused(f, "an empty part or '.' inside the name");
	}
	memcpy(ret_path, name, length);
	ret_path[length] = '\0';
	return 0;
}

bool name_resolve(const char *path, const char *target, char ret_path[LIMITS_PATH + 1])
{
	const char *slash = strrchr(path, '/');
	size_t length = slash != NULL ? (size_t)(slash - path) : 0;

	if (target[0] == '/' || length > LIMITS_PATH)
		return false;
	memcpy(ret_path, path, length);
	for (const char *at = target; *at != '\0';) {
		const size_t part = strcspn(at, "/");
		if (part == 2 && at[0] == '.' && at[1] == '.') {
			if (length == 0)
				return false;
			while (length > 0 && ret_path[length - 1] != '/')
				length--;
			length -= length > 0;
		} else if (part > 0 && !(part == 1 && at[0] == '.')) {
			if (length + part + 1 > LIMITS_PATH)
				return false;
			if (length > 0)
				ret_path[length++] = '/';
			memcpy(ret_path + length, at, part);
			length += part;
		}
		at += part + (at[part] == '/');
	}
	ret_path[length] = '\0';
	return true;
}
