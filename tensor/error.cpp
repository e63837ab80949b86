#include <tapestry/tensor/error.h>

#include <locale>
#include <sstream>

namespace tapestry {

struct Message::Stream {
  std::ostringstream out;
};

Message::Message() : stream_(new Stream) { stream_->out.imbue(std::locale::classic()); }
Message::~Message() { delete stream_; }
std::string Message::text() const { return stream_->out.str(); }
std::ostream& Message::stream() { return stream_->out; }
void Message::append(std::string_view text) { stream_->out << text; }
void Message::append(double number) { stream_->out << number; }
void Message::append(long long number) { stream_->out << number; }
void Message::append(unsigned long long number) { stream_->out << number; }

}  // namespace tapestry
