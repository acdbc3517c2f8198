/* accept: whether the policy (policy.json) lets a container be made of an image. */
#pragma once
#include "image/image.h"

/* policy: --signature-policy, or NULL. With an open policy, or none, nothing else is read. E_PERM.
 */
int image_accept(struct image_store *store, const char *image_id, const char *policy,
                 struct err *err);
