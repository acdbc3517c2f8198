/* Names of containers: what is allowed, and what is made up. */
#include "base/id.h"
#include "base/xalloc.h"
#include "engine/engine-internal.h"

#include <stdint.h>

/* clang-format off */
static const char *const adjectives[] = {
	"able",     "agile",   "amber",    "ample",   "autumn",   "azure",    "balmy",    "bold",
	"brave",    "breezy",  "bright",   "brisk",   "calm",     "candid",   "careful",  "cheery",
	"civil",    "clear",   "clever",   "coastal", "copper",   "coral",    "cosmic",   "crisp",
	"curious",  "daring",  "deft",     "dewy",    "eager",    "early",    "earnest",  "easy",
	"fair",     "fearless", "fine",    "fleet",   "fluent",   "fond",     "frank",    "free",
	"fresh",    "gentle",  "glad",     "golden",  "graceful", "grand",    "happy",    "hardy",
	"hearty",   "honest",  "humble",   "idle",    "ivory",    "jolly",    "jovial",   "keen",
	"kind",     "lively",  "loyal",    "lucid",   "lucky",    "lunar",    "mellow",   "merry",
	"mild",     "modest",  "neat",     "nimble",  "noble",    "northern", "open",     "patient",
	"placid",   "plucky",  "polite",   "proud",   "prudent",  "quick",    "quiet",    "rapid",
	"ready",    "sandy",   "serene",   "sharp",   "silent",   "silver",   "simple",   "sincere",
	"smooth",   "snug",    "southern", "spry",    "steady",   "still",    "stout",    "sturdy",
	"sunny",    "sure",    "swift",    "tactful", "tender",   "tidal",    "tidy",     "tranquil",
	"true",     "trusty",  "upbeat",   "valiant", "vivid",    "warm",     "windy",    "witty",
};

/* seafarers, mapmakers, astronomers, shipwrights and people of computing */
static const char *const surnames[] = {
	"abel",      "aubrey",   "baker",    "barents",  "batuta",    "beaufort", "bering",
	"bode",      "brahe",    "cabot",    "cassini",  "cavendish", "cook",     "cousteau",
	"darwin",    "davis",    "dias",     "dijkstra", "drake",     "earle",    "eriksson",
	"euler",     "fermat",   "floyd",    "frobisher", "galileo",  "gama",     "gauss",
	"goldberg",  "halley",   "hamilton", "harrison", "hoare",     "hopper",   "hubble",
	"hudson",    "humboldt", "huygens",  "idrisi",   "iverson",   "jansson",  "kay",
	"kepler",    "kernighan", "knuth",   "lamport",  "leavitt",   "liskov",   "lovelace",
	"magellan",  "majid",    "maury",    "mccarthy", "mercator",  "messier",  "mitchell",
	"nansen",    "naur",     "newton",   "noether",  "noonan",    "ortelius", "perlis",
	"polo",      "ptolemy",  "raleigh",  "ritchie",  "ross",      "sabine",   "scott",
	"shackleton", "shannon", "slocum",   "somerville", "tasman",  "thompson", "turing",
	"vancouver", "vespucci", "wallace",  "wilkes",   "wirth",     "wren",     "zheng",
};
/* clang-format on */

/* [a-zA-Z0-9][a-zA-Z0-9_.-]*, as docker and podman have it. */
bool container_name_is_valid(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++) {
		char c = name[n];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && (n == 0 || (c != '_' && c != '.' && c != '-')))
			return false;
	}
	return n > 0 && n <= 255;
}

char *container_name_random(unsigned suffix)
{
	uint32_t r[2];
	const char *first, *last;

	random_bytes(r, sizeof(r));
	first = adjectives[r[0] % ARRAY_LEN(adjectives)];
	last = surnames[r[1] % ARRAY_LEN(surnames)];
	return suffix ? xasprintf("%s_%s%u", first, last, suffix) : xasprintf("%s_%s", first, last);
}
