/* yaml-dl: a YAML document as the values of json.h, by libyaml, opened on first use. Scalars are
 * strings; anchors and aliases, tags and further documents are refused. */
#pragma once
#include "codec/json.h"

#define YAML_MAX_BYTES (1u << 20)

int yaml_to_json(const char *what, const char *text, size_t len, struct json_object **ret,
                 struct err *err);
