/* For the tests of rootless. */
#pragma once
#include "base/strv.h"
#include "engine/rootless.h"

/* text: /etc/subuid. Append INSIDE START COUNT (as newuidmap takes them) for each range of the
 * user, found by name or number. Return how many. */
int subid_args(const char *text, const char *user, uid_t uid, struct strv *ret);
