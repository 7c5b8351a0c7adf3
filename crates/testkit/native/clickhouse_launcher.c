// Runs the ClickHouse server that is inside libchdb.so (npm package @chdb/lib-linux-x64-gnu,
// version 26.7.3-stable.1):
//
//   LIBCHDB=/path/to/libchdb.so ISPORT=9009 ./launcher NAME --config-file=... --query ...
//
// The library is a whole server, but two things that `clickhouse-server` sets up at its start are
// missing in it. The launcher puts them right in memory, never on disk:
//
//  - Context::getInterserverIOAddress throws, which leaves every ReplicatedMergeTree table
//    read-only. It is replaced by a function that answers 127.0.0.1:ISPORT.
//  - Poco::ErrorHandler::handle (three overloads) rethrows, so that one client which goes away in
//    the middle of an answer aborts the whole server. Each becomes a plain return.
//
// The addresses below belong to exactly that build: the installation checks its SHA-256, and the
// launcher checks the bytes at each place before it writes, and refuses another build.
// For tests only; x86-64 Linux only.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// What query_stable_v2 answers, as declared in the library's own header.
struct local_result_v2 {
    char *buf;
    size_t len;
    void *vec;
    double elapsed;
    uint64_t rows_read;
    uint64_t bytes_read;
    char *error_message;
};

typedef struct local_result_v2 *(*run_server)(int argc, char **argv);

// Offsets in the library.
static const size_t INTERSERVER_ADDRESS_AT = 0x1417c9c0;
static const size_t ERROR_HANDLERS_AT[] = {0x1c8f99c0, 0x1c8f9a40, 0x1c8f9ac0};

// The first bytes of those functions in the build we know: push r14; push rbx, REX.W.
static const uint8_t INTERSERVER_ADDRESS_BEGINS[] = {0x41, 0x56};
static const uint8_t ERROR_HANDLER_BEGINS[] = {0x53, 0x48};

static const uint8_t RETURN[] = {0xc3};

// Writes `code` over a function that must begin with `begins`. A patch may cross into the next
// page, so two pages are made writable.
static void replace(uint8_t *at, const uint8_t begins[2], const uint8_t *code, size_t code_len) {
    if (memcmp(at, begins, 2) != 0) {
        fprintf(stderr, "launcher: this libchdb.so is another build\n");
        exit(1);
    }
    void *page = (void *)((uintptr_t)at & ~(uintptr_t)4095);
    if (mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
        perror("launcher: mprotect");
        exit(1);
    }
    memcpy(at, code, code_len);
    mprotect(page, 8192, PROT_READ | PROT_EXEC);
}

// The answer is a pair<std::string, UInt16> that the caller owns and whose address is in rdi.
// A short string of libc++ holds its text in bytes 0..22 and its size (9) in byte 23.
static void answer_interserver_address(uint8_t *library, uint16_t port) {
    const uint8_t low = (uint8_t)port;
    const uint8_t high = (uint8_t)(port >> 8);
    const uint8_t code[] = {
        0x48, 0x89, 0xf8,                                          // mov rax, rdi
        0x48, 0xb9, '1', '2', '7', '.', '0', '.', '0', '.',        // mov rcx, "127.0.0."
        0x48, 0x89, 0x0f,                                          // mov [rdi], rcx
        0x48, 0xb9, '1', 0, 0, 0, 0, 0, 0, 0,                      // mov rcx, "1"
        0x48, 0x89, 0x4f, 0x08,                                    // mov [rdi + 8], rcx
        0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 9,                        // mov rcx, size 9
        0x48, 0x89, 0x4f, 0x10,                                    // mov [rdi + 16], rcx
        0x66, 0xc7, 0x47, 0x18, low, high,                         // mov word [rdi + 24], port
        0xc3,                                                      // ret
    };
    replace(library + INTERSERVER_ADDRESS_AT, INTERSERVER_ADDRESS_BEGINS, code, sizeof code);
}

int main(int argc, char **argv) {
    const char *path = getenv("LIBCHDB");
    const char *port = getenv("ISPORT");
    if (!path || !port) {
        fprintf(stderr, "launcher: LIBCHDB and ISPORT must be set\n");
        return 1;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "launcher: %s\n", dlerror());
        return 1;
    }
    struct link_map *map = NULL;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) {
        fprintf(stderr, "launcher: %s\n", dlerror());
        return 1;
    }
    uint8_t *library = (uint8_t *)map->l_addr;
    answer_interserver_address(library, (uint16_t)atoi(port));
    for (size_t i = 0; i < sizeof ERROR_HANDLERS_AT / sizeof *ERROR_HANDLERS_AT; i++) {
        replace(library + ERROR_HANDLERS_AT[i], ERROR_HANDLER_BEGINS, RETURN, sizeof RETURN);
    }
    run_server run = (run_server)dlsym(handle, "query_stable_v2");
    if (!run) {
        fprintf(stderr, "launcher: %s\n", dlerror());
        return 1;
    }
    struct local_result_v2 *result = run(argc, argv);
    if (result && result->error_message) {
        fprintf(stderr, "launcher: %s\n", result->error_message);
        return 1;
    }
    return 0;
}
