/*
 * client/archive/zip: checks that a zip's two lists of members agree.
 *
 * libarchive reads the central directory and compares sizes and checksums of files with the local headers.  This checks
 * the rest: that every byte of the file belongs to something (nothing is hidden between members, and no two members
 * share bytes), that both headers of a member have the same name, and the checksum of a link's target.
 *
 * Promise: reads only with pread(2).  The central directory may have any order; Zip64 fields, data descriptors and a
 * comment are accepted (PKWARE APPNOTE 6.3.10).  FAULT_REFUSED says what is wrong and what the packer should do.
 */
#ifndef OKV_CLIENT_ARCHIVE_ZIP_H
#define OKV_CLIENT_ARCHIVE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

struct zip_member {
	uint64_t at, data, end; /* offsets of its local header, its packed bytes, and their end */
	uint32_t crc;
	uint32_t mode; /* whatever system packed it; often 0, and no checksum covers it */
	unsigned method;
	bool directory; /* its name ends in '/' */
	bool described; /* has a data descriptor */
};

struct zip {
	struct zip_member *members; /* owned; in file order, which is libarchive's */
	size_t count;
};

#define ZIP_AUTO __attribute__((cleanup(zip_done))) struct zip

void zip_done(struct zip *zip);
/* Does the file end like a zip?  Then it is one, even after a self-extracting program. */
bool zip_ends(int fd);
int zip_check(int fd, struct zip *ret_zip, struct fault *f);
/*
 * Reads a link's target and verifies its CRC-32, which libarchive does not; libarchive of Debian 11 cannot unpack one,
 * and no version recognizes a link that was packed on Windows.
 */
int zip_link_target(int fd, const struct zip_member *link, struct text *ret_target, struct fault *f);

#endif
