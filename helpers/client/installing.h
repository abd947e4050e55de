/*
 * client/installing: what the steps of one installation share.
 */
#ifndef OKV_CLIENT_INSTALLING_H
#define OKV_CLIENT_INSTALLING_H

#include <stdint.h>
#include <sys/types.h>

#include "client/install.h"
#include "client/policy.h"
#include "client/workshop.h"

struct client_installing {
	const struct client_request *request;
	struct client_policy policy;
	uid_t worker;                /* what the unpacking processes run as */
	uint64_t source_bytes, room; /* of the archives; free on the file system */
	struct client_workshop workshop;
	struct client_result *result;
};

#endif
