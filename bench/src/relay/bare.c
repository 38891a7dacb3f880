// What the kernel costs and nothing else: answers SETUP and PLAY, and writes a title's packets to whoever asked, as they
// become due, from one buffer and without a look at them. TCP: one write a viewer a turn. UDP: sendmmsg of messages of
// runs of equal packets (UDP_SEGMENT), several viewers a call.
//
//   bare SCHEDULE TURN-MS AHEAD-MS MOST-BYTES live|held
//
// SCHEDULE: u32 packets, u32 bytes, u32 offsets[packets + 1], u32 due[packets] in microseconds, then interleaved frames.
// Says "port N" once it listens. Live viewers are all where the first one is by now.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { VIEWERS = 1 << 15, MESSAGES = 64, RUN = 32, FILES = 1 << 16, TICK_MS = 2 };

typedef struct {
  int fd;
  int is_udp, is_playing, is_waiting;
  struct sockaddr_in to;
  double base_ms, next_ms;
  uint32_t next;
  /** Of a write that the kernel did not take whole. */
  uint32_t left_from, left_to;
} Viewer;

static Viewer viewers[VIEWERS];
static int viewers_count, by_file[FILES], poll;
static uint32_t packets;
static const uint32_t *offsets, *due;
static const uint8_t *frames;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static struct {
  int fd, count, iovecs;
  struct mmsghdr messages[MESSAGES];
  struct iovec iov[MESSAGES * RUN];
  _Alignas(8) char control[MESSAGES][CMSG_SPACE(sizeof(uint16_t))];
} out;

static void flush(void) {
  for (int done = 0; done < out.count;) {
    int taken = sendmmsg(out.fd, out.messages + done, out.count - done, 0);
    done += taken > 0 ? taken : 1;
  }
  out.count = out.iovecs = 0;
}

static void send_runs(Viewer *v, uint32_t to) {
  while (v->next < to) {
    if (out.count == MESSAGES) flush();
    uint32_t size = offsets[v->next + 1] - offsets[v->next] - 4, length = size;
    int first = out.iovecs;
    do {
      out.iov[out.iovecs++] = (struct iovec){(void *)(frames + offsets[v->next] + 4), length};
      v->next++;
      if (length < size || v->next >= to) break;
      length = offsets[v->next + 1] - offsets[v->next] - 4;
    } while (length <= size && out.iovecs - first < RUN);
    struct msghdr *m = &out.messages[out.count].msg_hdr;
    *m = (struct msghdr){.msg_name = &v->to, .msg_namelen = sizeof v->to, .msg_iov = out.iov + first, .msg_iovlen = out.iovecs - first};
    if (m->msg_iovlen > 1) {
      m->msg_control = out.control[out.count];
      m->msg_controllen = sizeof out.control[out.count];
      struct cmsghdr *c = CMSG_FIRSTHDR(m);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
      *(uint16_t *)CMSG_DATA(c) = size;
    }
    out.count++;
  }
}

static void write_left(Viewer *v) {
  ssize_t taken = write(v->fd, frames + v->left_from, v->left_to - v->left_from);
  if (taken > 0) v->left_from += taken;
  int is_waiting = v->left_from < v->left_to;
  if (is_waiting == v->is_waiting) return;
  struct epoll_event want = {.events = is_waiting ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.fd = v->fd};
  epoll_ctl(poll, EPOLL_CTL_MOD, v->fd, &want);
  v->is_waiting = is_waiting;
}

static void turn(Viewer *v, double now, double ahead, uint32_t most) {
  if (v->left_from < v->left_to) return;
  uint32_t limit = (now - v->base_ms + ahead) * 1000, to = v->next;
  while (to < packets && due[to] <= limit && offsets[to + 1] - offsets[v->next] <= most) to++;
  if (to == v->next) return;
  if (v->is_udp) {
    send_runs(v, to);
    return;
  }
  v->left_from = offsets[v->next];
  v->left_to = offsets[to];
  v->next = to;
  write_left(v);
}

static void answer(Viewer *v, const char *request, int udp_port, int is_live) {
  static double epoch;
  char text[512], transport[160] = "";
  const char *ports = strstr(request, "client_port=");
  if (strncmp(request, "SETUP", 5) == 0) {
    v->is_udp = ports != NULL;
    if (v->is_udp) {
      socklen_t length = sizeof v->to;
      getpeername(v->fd, (struct sockaddr *)&v->to, &length);
      v->to.sin_port = htons(atoi(ports + 12));
      snprintf(transport, sizeof transport, "Transport: RTP/AVP;unicast;%.*s;server_port=%d-%d\r\n",
               (int)strcspn(ports, "\r"), ports, udp_port, udp_port + 1);
    } else snprintf(transport, sizeof transport, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
  }
  int used = snprintf(text, sizeof text, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: %d\r\n%s\r\n",
                      strncmp(request, "SETUP", 5) == 0 ? 1 : 2, v->fd, transport);
  if (send(v->fd, text, used, MSG_NOSIGNAL) < 0 || strncmp(request, "PLAY", 4) != 0) return;
  const char *range = strstr(request, "npt=");
  double now = now_ms(), from = range == NULL ? 0 : atof(range + 4) * 1000;
  if (epoch == 0) epoch = now;
  if (is_live) from = now - epoch;
  while (v->next < packets && due[v->next] < from * 1000) v->next++;
  // The first packet is due now: NPT `from` is where it is.
  v->base_ms = now - (is_live || v->next == packets ? from : due[v->next] / 1000.0);
  v->next_ms = now;
  v->is_playing = 1;
}

static int rtp_socket(int *port) {
  for (*port = 30000; *port < 60000; *port += 2) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&name, sizeof name) == 0) return fd;
    close(fd);
  }
  return -1;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  signal(SIGPIPE, SIG_IGN);
  int file = open(argv[1], O_RDONLY), udp_port, is_live = strcmp(argv[5], "live") == 0;
  struct stat about;
  if (file < 0 || fstat(file, &about) < 0) return 1;
  const uint32_t *words = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  double period = atof(argv[2]), ahead = atof(argv[3]);
  uint32_t most = atoi(argv[4]);
  packets = words[0];
  offsets = words + 2;
  due = offsets + packets + 1;
  frames = (const uint8_t *)(due + packets);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  out.fd = rtp_socket(&udp_port);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof name;
  if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 4096) < 0) return 1;
  getsockname(listener, (struct sockaddr *)&name, &length);
  printf("port %d\n", ntohs(name.sin_port));
  fflush(stdout);
  poll = epoll_create1(0);
  struct epoll_event want = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &want);
  for (double next = now_ms();;) {
    double now = now_ms();
    int ready = epoll_wait(poll, events, 256, next > now ? (int)(next - now + 0.999) : 0);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
        if (accepted < 0 || accepted >= FILES || viewers_count == VIEWERS) continue;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        viewers[viewers_count] = (Viewer){.fd = accepted};
        by_file[accepted] = viewers_count++;
        struct epoll_event more = {.events = EPOLLIN, .data.fd = accepted};
        epoll_ctl(poll, EPOLL_CTL_ADD, accepted, &more);
        continue;
      }
      char request[4096];
      Viewer *v = &viewers[by_file[fd]];
      if (events[i].events & EPOLLOUT) write_left(v);
      if (!(events[i].events & ~EPOLLOUT)) continue;
      ssize_t got = recv(fd, request, sizeof request - 1, MSG_DONTWAIT);
      if (got > 0 && strncmp(request, "TEARDOWN", 8) == 0) {
        v->is_playing = 0;
      } else if (got > 0) {
        request[got] = 0;
        answer(v, request, udp_port, is_live);
      } else {
        v->is_playing = 0;
        close(fd);
      }
    }
    now = now_ms();
    if (now < next) continue;
    next = now + TICK_MS;
    for (int i = 0; i < viewers_count; i++) {
      Viewer *v = &viewers[i];
      if (!v->is_playing || v->next_ms > now) continue;
      turn(v, now, ahead, most);
      v->next_ms = v->next_ms + period > now ? v->next_ms + period : now + period;
    }
    flush();
  }
}
