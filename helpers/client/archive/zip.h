/*
 * client/archive/zip: do a zip's two lists of members name the same ones?
 *
 * libarchive reads the central directory and compares sizes and checksums of files with the local headers.  What it
 * does not look at is looked at here: that every byte of the file belongs to something (so that nothing is hidden
 * between the members, and no two of them share bytes), that both headers of a member bear the same name, and what the
 * target of a link is to sum up to.
 *
 * Promise: reads only with pread(2).  The order of the directory is any; Zip64 fields, data descriptors and a comment
 * are sound (PKWARE APPNOTE 6.3.10).  FAULT_REFUSED says what is not, and what the packer should do.
 */
#ifndef OKV_CLIENT_ARCHIVE_ZIP_H
#define OKV_CLIENT_ARCHIVE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

struct zip_member {
	uint64_t at, data, end; /* of its local header; of its packed bytes; behind these */
	uint32_t crc;
	uint32_t mode; /* whatever system it was packed on; 0 of many, and nothing in a zip sums it up */
	unsigned method;
	bool directory; /* by the end of its name */
	bool described; /* a data descriptor follows */
};

struct zip {
	struct zip_member *members; /* owned; in the order in which they lie in the file, which is libarchive's */
	size_t count;
};

#define ZIP_AUTO __attribute__((cleanup(zip_done))) struct zip

void zip_done(struct zip *zip);
/* Does the file end as a zip does?  Then it is one, also behind a program that unpacks it. */
bool zip_ends(int fd);
int zip_check(int fd, struct zip *ret_zip, struct fault *f);
/*
 * What a link leads to, compared with its CRC-32, which libarchive does not do; nor does that of Debian 11 unpack it,
 * nor any know a link for one where it was packed on Windows.
 */
int zip_link_target(int fd, const struct zip_member *link, struct text *ret_target, struct fault *f);

#endif
