#include "bundle/target.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/number.h"

enum { PORT_MOST = 65535 };

static const char host_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:%-";

static bool name_is_plain(const char *name, size_t length)
{
	return length > 0 && name[0] != '-' && strspn(name, host_bytes) >= length;
}

static int port_parse(const char *digits, const char *node, unsigned *ret_port, struct fault *f)
{
	uint64_t port;

	if (number_parse(digits, "a port", 1, PORT_MOST, &port, f) < 0) {
		const struct fault why = *f;
		return fault_usage(f, "node '%s': %s", SHOWN(node), why.text);
	}
	*ret_port = (unsigned)port;
	return 0;
}

int bundle_target_parse(const char *node, struct bundle_target *ret_target, struct fault *f)
{
	struct bundle_target target = { .node = node };
	const char *at = strchr(node, '@');
	const char *host = at != NULL ? at + 1 : node, *port = NULL;
	size_t length;

	if (at != NULL) {
		const size_t user = (size_t)(at - node);
		if (!name_is_plain(node, user) || user >= sizeof(target.user))
			return fault_usage(f, "node '%s' has no usable user before its @", SHOWN(node));
		memcpy(target.user, node, user);
	}
	if (host[0] == '[') {
		host++;
		length = strcspn(host, "]");
		const char *after = host + length;
		if (after[0] != ']' || (after[1] != '\0' && after[1] != ':'))
			return fault_usage(f, "node '%s' is not [ADDRESS] or [ADDRESS]:PORT", SHOWN(node));
		port = after[1] == ':' ? after + 2 : NULL;
	} else {
		/* One colon sets a port apart; more of them are an IPv6 address. */
		const char *colon = strchr(host, ':');
		const bool single = colon != NULL && strchr(colon + 1, ':') == NULL;
		length = single ? (size_t)(colon - host) : strlen(host);
		port = single ? colon + 1 : NULL;
	}
	if (!name_is_plain(host, length) || length >= sizeof(target.host))
		return fault_usage(f, "node '%s' has no usable host name or address", SHOWN(node));
	memcpy(target.host, host, length);
	if (port != NULL && port_parse(port, node, &target.port, f) < 0)
		return -1;
	*ret_target = target;
	return 0;
}

/* Is `option` of the form NAME=VALUE or "NAME VALUE" with that name?  ssh does not mind the case. */
static bool option_named(const char *option, const char *name)
{
	const size_t length = strlen(name);
	return strncasecmp(option, name, length) == 0 && strchr("= \t", option[length]) != NULL;
}

int bundle_ssh_check(const struct bundle_ssh *ssh, struct fault *f)
{
	static const char *const ours[] = {
		"StrictHostKeyChecking",
		"NoHostAuthenticationForLocalhost",
		"BatchMode",
		"ControlMaster",
	};

	for (size_t i = 0; ssh->options != NULL && i < ssh->options->count; i++) {
		const char *option = ssh->options->items[i];
		if (strchr(option, '=') == NULL)
			return fault_usage(f, "--ssh-option '%s' is not NAME=VALUE", SHOWN(option));
		for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			if (option_named(option, ours[k]))
				return fault_usage(f,
						   "--ssh-option may not set %s: host keys are always checked, "
						   "and --ask decides about questions",
						   ours[k]);
	}
	if (!name_is_plain(ssh->user, strlen(ssh->user)))
		return fault_usage(f, "--user '%s' is no user name", SHOWN(ssh->user));
	return 0;
}

/* Appends up to two words; counts on even where there is no room, to be seen at the end. */
static void words_add(struct bundle_ssh_words *w, size_t *count, const char *first, const char *second)
{
	const char *const words[] = { first, second };

	for (size_t i = 0; i < 2; i++)
		if (words[i] != NULL) {
			if (*count < BUNDLE_SSH_WORDS_MAX)
				w->words[*count] = words[i];
			(*count)++;
		}
}

int bundle_ssh_words(const struct bundle_ssh *ssh, const struct bundle_target *target, const char *command,
		     struct bundle_ssh_words *ret_words, struct fault *f)
{
	/* ssh keeps the first value that it meets, so these stand before anybody's configuration. */
	static const char *const first[] = {
		"NoHostAuthenticationForLocalhost=no",
		"ControlMaster=no",
		"ClearAllForwardings=yes",
		"LogLevel=ERROR",
	};
	/* And these after the caller's, who may know better. */
	static const char *const last[] = { "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4" };
	const unsigned port = target->port != 0 ? target->port : (unsigned)ssh->port;
	size_t count = 0;

	words_add(ret_words, &count, "/usr/bin/ssh", "-Tax");
	words_add(ret_words, &count, "-o", ssh->ask ? "StrictHostKeyChecking=ask" : "StrictHostKeyChecking=yes");
	words_add(ret_words, &count, "-o", ssh->ask ? "BatchMode=no" : "BatchMode=yes");
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		words_add(ret_words, &count, "-o", first[i]);
	for (size_t i = 0; ssh->options != NULL && i < ssh->options->count; i++)
		words_add(ret_words, &count, "-o", ssh->options->items[i]);
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		words_add(ret_words, &count, "-o", last[i]);
	if (ssh->identity != NULL)
		words_add(ret_words, &count, "-i", ssh->identity);
	if (port != 0) {
		(void)snprintf(ret_words->port, sizeof(ret_words->port), "%u", port);
		words_add(ret_words, &count, "-p", ret_words->port);
	}
	words_add(ret_words, &count, "-l", target->user[0] != '\0' ? target->user : ssh->user);
	words_add(ret_words, &count, "--", target->host);
	words_add(ret_words, &count, command, NULL);
	if (count >= BUNDLE_SSH_WORDS_MAX)
		return fault_usage(f, "too many --ssh-option");
	ret_words->words[count] = NULL;
	return 0;
}

/* One line without single quotes inside: whatever shell the account has hands it to sh as it is. */
void bundle_far_receive(struct text *command, const char *path, uint64_t size)
{
	/* noclobber makes the file with O_EXCL: a name that somebody guessed and made is not used. */
	/* What cat says and what we say share a stream, for two may arrive in any order and our word is the last. */
	text_add_format(command, "exec /bin/sh -c 'exec 2>&1; umask 077; set -C; f=%s; ", path);
	text_add_string(command, "no() { trap \"\" 1 2 13 15; rm -f $f; echo \"$1\"; exit 1; }; "
				 "trap \"no interrupted\" 1 2 13 15; "
				 "cat >$f || no \"cannot write $f\"; ");
	/* A connection that breaks looks like the end of the file from there. */
	text_add_format(command, "n=$(wc -c <$f); [ \"$n\" -eq %ju ] || no \"only $n of %ju bytes arrived\"; ",
			(uintmax_t)size, (uintmax_t)size);
	text_add_string(command, "if command -v openssl >/dev/null 2>&1; then d=$(openssl dgst -sha256 -r <$f); "
				 "else d=$(sha256sum <$f); fi; echo \"okvb ${d%% *} $n\" || no'");
}

bool bundle_far_answer(const char *said, char ret_digest[65], uint64_t *ret_size)
{
	static const char mark[] = "okvb ";

	for (const char *line = said; line[0] != '\0'; line += line[0] == '\n') {
		const size_t length = strcspn(line, "\n");
		const char *digest = line + sizeof(mark) - 1;
		uintmax_t size;
		if (text_starts(line, mark) && strspn(digest, "0123456789abcdef") == 64 && digest[64] == ' ' &&
		    sscanf(digest + 65, "%ju", &size) == 1) {
			memcpy(ret_digest, digest, 64);
			ret_digest[64] = '\0';
			*ret_size = size;
			return true;
		}
		line += length;
	}
	return false;
}
