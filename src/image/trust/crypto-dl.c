#include "image/trust/crypto-dl.h"
#include <dlfcn.h>
#include <openssl/err.h>
#include <stdbool.h>

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define CRYPTO_ENTRY(name) { #name, offsetof(struct crypto_api, name) },
	CRYPTO_SYMBOLS(CRYPTO_ENTRY)
#undef CRYPTO_ENTRY
};

const struct crypto_api *crypto_api(struct err *err)
{
	static struct crypto_api api;
	static bool is_ready;
	void *library;

	if (is_ready)
		return &api;
	library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		err_set(err, E_UNSUPPORTED, "signatures need OpenSSL: %s", dlerror());
		err_hint(err, "install Debian's package libssl3");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol) {
			err_set(err, E_UNSUPPORTED, "libcrypto is too old: it has no %s",
			        symbols[i].name);
			return NULL;
		}
		memcpy((char *)&api + symbols[i].offset, &symbol, sizeof(symbol));
	}
	is_ready = true;
	return &api;
}
