#include "bundle/tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "base/hex.h"
#include "base/number.h"
#include "bundle/cipher.h"

static void size_tell(uint64_t size, const unsigned char sha256[BUNDLE_DIGEST_SIZE], const char *note,
		      struct text *lines, struct json *j)
{
	char hex[2 * BUNDLE_DIGEST_SIZE + 1];

	hex_encode(sha256, BUNDLE_DIGEST_SIZE, hex);
	text_add_format(lines, "  size     %s bytes\n  sha256   %s%s\n", NUMBER_GROUPED(size), hex, note);
	json_unsigned(j, "size", size);
	json_string(j, "sha256", hex);
}

void bundle_tell_header(const struct bundle_header *header, uint64_t derivation_us, enum bundle_detail detail,
			struct text *lines, struct json *j)
{
	char created[TIME_STAMP_SIZE];

	time_format(header->created, created);
	text_add_format(lines, "  origin   %s\n  created  %s\n", SHOWN(header->origin), created);
	json_string(j, "origin", header->origin);
	json_string(j, "created", created);
	size_tell(header->size, header->sha256, "", lines, j);
	if (detail == BUNDLE_FULL)
		text_add_format(lines,
				"  kdf      pbkdf2-hmac-sha256, %" PRIu32 " iterations in %" PRIu64 " ms\n"
				"  cipher   aes-256-gcm\n  library  %s\n",
				header->iterations, derivation_us / 1000, bundle_library());
	json_unsigned(j, "iterations", header->iterations);
	json_unsigned(j, "derivation_us", derivation_us);
}

void bundle_tell_plain(const struct bundle_applied *applied, struct text *lines, struct json *j)
{
	size_tell(applied->size, applied->sha256, " (unsealed: compare it with the first node's)", lines, j);
}

void bundle_tell_next(struct text *lines, struct json *j)
{
	static const char order[] = "apply the bundle on all nodes before the first node is reverse-migrated";

	text_add_format(lines,
			"next, on this node's console: HSM page, Apply Bundle (it asks for the recovery passphrase)\n"
			"order: %s;\n       then HSM-enable each node (HSM page, Initialize)\n"
			"last:  when every node is HSM-enabled and replication is verified, 'okv-luna bundle clean'\n"
			"       on all nodes\n",
			order);
	json_string(j, "next", "HSM page, Apply Bundle");
	json_string(j, "order", order);
}

void bundle_tell_removal(struct text *lines)
{
	text_add_string(
		lines,
		"the guide allows this when Cluster Settings State shows every node HSM-enabled and replication is\n"
		"verified, and then on all nodes; a node where the bundle was not applied needs a new copy\n");
}

size_t bundle_tell_sent(const struct bundle_send *how, const struct bundle_sent *sent, const char *far_path,
			struct text *lines, struct json *j)
{
	size_t width = sizeof("NODE") - 1, done = 0;

	for (size_t i = 0; i < how->count; i++)
		if (strlen(how->targets[i].node) > width)
			width = strlen(how->targets[i].node);
	json_string(j, "path", far_path);
	json_array_begin(j, "nodes");
	text_add_format(lines, "%-*s  %15s  %-16s  %s\n", (int)width, "NODE", "BYTES", "SHA-256", "VERDICT");
	for (size_t i = 0; i < how->count; i++) {
		const struct bundle_sent *its = &sent[i];
		done += its->done ? 1 : 0;
		/* The digest's head is enough for the eye; all of it is compared, and in the JSON. */
		text_add_format(lines, "%-*s  %15s  %-16.16s  %s%s\n", (int)width, how->targets[i].node,
				NUMBER_GROUPED(its->bytes), its->digest[0] != '\0' ? its->digest : "-",
				its->done ? "" : "FAILED: ", its->verdict);
		json_object_begin(j, NULL);
		json_string(j, "node", how->targets[i].node);
		json_bool(j, "sent", its->done);
		json_unsigned(j, "bytes", its->bytes);
		json_string(j, "sha256", its->digest[0] != '\0' ? its->digest : NULL);
		json_string(j, "verdict", its->verdict);
		json_object_end(j);
	}
	json_array_end(j);
	if (done > 0)
		text_add_format(lines, "next, as root on %s:\n  okv-luna bundle apply %s\n",
				done == how->count ? "each of these nodes" : "each node that has it", far_path);
	return done;
}
