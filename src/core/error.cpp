#include "rushlight/error.h"

#include <cmath>
#include <cstdio>

namespace rushlight {

Message& Message::operator<<(std::string_view part) {
  text.append(part);
  return *this;
}

Message& Message::operator<<(long long value) {
  text += std::to_string(value);
  return *this;
}

Message& Message::operator<<(unsigned long long value) {
  text += std::to_string(value);
  return *this;
}

Message& Message::operator<<(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%g", value);
  text += buffer;
  return *this;
}

Message& Message::operator<<(IntSpan values) {
  text += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i) text += ", ";
    text += std::to_string(values[i]);
  }
  text += ']';
  return *this;
}

namespace {
void print_warning(const std::string& message) { std::fprintf(stderr, "Warning: %s\n", message.c_str()); }
void (*g_warning_handler)(const std::string&) = print_warning;
}  // namespace

void warn(const std::string& message) { g_warning_handler(message); }
void set_warning_handler(void (*handler)(const std::string&)) { g_warning_handler = handler ? handler : print_warning; }

}  // namespace rushlight
