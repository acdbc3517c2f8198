/* Runs a fuzzer over the files of its corpus, so that every build replays it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "fuzz.h"

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *de;
	size_t count = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((de = readdir(dir))) {
		AUTO_FREE char *data = NULL;
		AUTO_FREE uint8_t *exact = NULL;
		struct err err;
		size_t len;

		if (de->d_name[0] == '.')
			continue;
		printf("%s\n", de->d_name);
		fflush(stdout);
		if (file_read_at(dirfd(dir), de->d_name, 64 << 20, &data, &len, &err) < 0) {
			fprintf(stderr, "%s\n", err.msg);
			return 1;
		}
		/* of exactly this size, so that a sanitizer sees a read past the end */
		exact = malloc(len ? len : 1);
		if (!exact)
			return 1;
		memcpy(exact, data, len);
		LLVMFuzzerTestOneInput(exact, len);
		count++;
	}
	closedir(dir);
	printf("%zu inputs\n", count);
	return count ? 0 : 1;
}
