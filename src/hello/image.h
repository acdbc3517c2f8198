/* hello image: the image embedded in the program, for a first `dhow run hello` without a network.
 */
#pragma once
#include "base/err.h"
#include <stdbool.h>

struct image;
struct image_store;

/* Whether this name, as a user writes it, is the embedded image's: "hello", "hello:latest". */
bool hello_image_is_named(const char *name);
/* Put it into the store and resolve it. For a name that image_resolve() did not find; once it is
 * stored it is an image like any other and nothing here is needed again. */
int hello_image_load(struct image_store *store, struct image *ret, struct err *err);
