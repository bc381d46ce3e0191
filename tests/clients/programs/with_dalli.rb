# The conversation with Ruby's dalli (binary protocol or meta commands), with consistent hashing over several servers; it
# marshals what is not said to be raw, and compresses. `PROGRAM SERVERS PREFIX PROTOCOL USER PASSWORD AUTHORITY`; `ok NAME` for
# each thing that went as it should; the first thing that does not ends the program with a message. With the prefix `flush`
# only that is done.

require 'dalli'

SERVERS = ARGV[0].split(',')
PREFIX = ARGV[1]
META = ARGV[2] == 'meta'
TEXT = "wörld\r\nEND\r\n"
BINARY = ((0..255).map(&:chr).join.b * 4)
LARGE = '0123456789abcdef' * (3 << 15)
TOO_LARGE = 'x' * (3 << 20)
LIFETIME = 1000
RAW = { raw: true }

def key(name) = "#{PREFIX}:#{name}"

def ok(name, found, wanted = true)
  abort "#{name}: expected #{wanted.inspect[0, 200]}, found #{found.inspect[0, 200]}" unless found == wanted
  puts "ok #{name}"
end

def fails(name, error)
  found = yield
rescue error
  puts "ok #{name}"
else
  abort "#{name}: expected an error, found #{found.inspect[0, 200]}"
end

Dalli.logger.level = Logger::ERROR
options = { compress: false, value_max_bytes: 8 << 20, socket_timeout: 20 }
options.update(protocol: :meta) if META
options.update(username: ARGV[3], password: ARGV[4]) unless ARGV[3].empty?
unless ARGV[5].empty?
  options[:ssl_context] = OpenSSL::SSL::SSLContext.new
  options[:ssl_context].set_params(ca_file: ARGV[5], verify_mode: OpenSSL::SSL::VERIFY_PEER)
end
client = Dalli::Client.new(SERVERS, options)

if PREFIX == 'flush'
  ok('flush', client.flush.all?)
  exit
end

ok('set', client.set(key('text'), TEXT, 0, RAW) > 0)
# By meta commands dalli 3.2 takes the first line end for the end of a value, unless it gets several keys.
text = META ? client.get_multi(key('text'))[key('text')] : client.get(key('text'), RAW)
ok('get', text.force_encoding('UTF-8'), TEXT)
ok('miss', client.get(key('missing')), nil)
client.set(key('binary'), BINARY, 0, RAW)
ok('binary', client.get(key('binary'), RAW), BINARY)
client.set(key('large'), LARGE, 0, RAW)
ok('large', client.get(key('large'), RAW) == LARGE)
client.set(key('empty'), '', 0, RAW)
ok('empty', client.get(key('empty'), RAW), '')
client.set(key('packed'), { list: [1, 2.5, nil] })
ok('packed', client.get(key('packed')), { list: [1, 2.5, nil] })
client.set(key('compressed'), LARGE, 0, compress: true)
ok('compressed', client.get(key('compressed')) == LARGE)
ok('add', [client.add(key('added'), '1', 0, RAW) > 0, client.add(key('added'), '2', 0, RAW)], [true, false])
ok('replace', [client.replace(key('added'), '3', 0, RAW) > 0,
               client.replace(key('missing'), '3', 0, RAW)], [true, META ? false : 0])
client.set(key('joined'), 'middle', 0, RAW)
ok('append', [client.append(key('joined'), '>'), client.append(key('missing'), '>')], [true, false])
ok('prepend', [client.prepend(key('joined'), '<'), client.prepend(key('missing'), '<')], [true, false])

client.set(key('swapped'), 'first', 0, RAW)
value, cas = client.get_cas(key('swapped'))
ok('gets', value, 'first')
second = client.set_cas(key('swapped'), 'second', cas, 0, RAW)
ok('cas', [second > 0, client.set_cas(key('swapped'), 'third', cas, 0, RAW)], [true, false])
ok('replace with cas', client.replace_cas(key('swapped'), 'third', cas, 0, RAW), false)
ok('delete with cas', client.delete_cas(key('swapped'), cas), false)
ok('gets many', client.get_multi_cas(key('swapped'), key('missing')), { key('swapped') => ['second', second] })

ok('incr', [client.incr(key('counter'), 5, 0, 40), client.incr(key('counter'), 5)], [40, 45])
ok('incr miss', client.incr(key('missing'), 5), nil)
ok('decr', [client.decr(key('counter'), 3), client.decr(key('missing'), 3)], [42, nil])
fails('incr of a text', Dalli::DalliError) { client.incr(key('text'), 1) }

client.set(key('lasting'), 'x', 0, RAW)
ok('touch', [client.touch(key('lasting'), LIFETIME), client.touch(key('missing'), 1)], [true, nil])
client.set(key('fading'), 'x', 0, RAW)
ok('gat', [client.gat(key('fading'), LIFETIME), client.gat(key('missing'), 1)], ['x', nil])
client.set(key('removed'), 'x', 0, RAW)
ok('delete', [client.delete(key('removed')), client.delete(key('removed'))], [true, META ? false : nil])
ok('fetch', [client.fetch(key('fetched'), 0, RAW) { 'made' }, client.fetch(key('fetched')) { 'made again' }], %w[made made])

many = (0..999).to_h { |number| [key("many-#{number}"), number.to_s] }
# The calls of this block are sent with the quiet opcodes.
client.multi { many.each { |name, value| client.set(name, value, 0, RAW) } }
ok('get many', client.get_multi(*many.keys, key('missing')), many)
client.multi { (0..99).each { |number| client.set(key("quiet-#{number}"), number.to_s, 0, RAW) } }
ok('quiet', client.get(key('quiet-42')), '42')

if META
  ok('delete and replace with the right cas', [client.delete_cas(key('swapped'), second),
                                               client.set_cas(key('swapped'), 'second', 0, 0, RAW) > 0], [true, true])
  ok('cas of a miss', client.set_cas(key('missing'), 'x', second, 0, RAW), false)
  ok('decr with an initial value', [client.decr(key('falling'), 5, LIFETIME, 20), client.decr(key('falling'), 25)], [20, 0])
  client.set(key('counted'), '1', 0, RAW)
  client.set(key('unwanted'), 'x', 0, RAW)
  client.quiet do
    client.append(key('counted'), '0')
    client.prepend(key('counted'), '2')
    client.incr(key('counted'), 5)
    client.decr(key('counted'), 1)
    client.add(key('counted'), 'x', 0, RAW)
    client.replace(key('missing'), 'x', 0, RAW)
    client.incr(key('missing'), 1)
    client.incr(key('text'), 1)
    client.delete(key('unwanted'))
    client.delete(key('missing'))
  end
  ok('many kinds of quiet requests', client.get(key('counted')), '214')
  client.set(key('short'), 'x', 1, RAW)
  client.set(key('long'), 'x', LIFETIME, RAW)
  ok('an item with a time', client.get(key('long')), 'x')
  sleep 0.1 while client.get(key('short'))

  # What is no word of visible ASCII travels as base64.
  strange = { key("schlüssel") => 'ü', key("two words\r\nget x") => 'blanks', key("é\u0000") => 'zero' }
  strange.each { |name, value| client.set(name, value, 0, RAW) }
  ok('keys of bytes', strange.keys.map { |name| client.get(name).force_encoding('UTF-8') }, strange.values)
  found = client.get_multi(*strange.keys, key('miss ing')).transform_values { |value| value.force_encoding('UTF-8') }
  ok('many keys of bytes', found, strange)
  other = Dalli::Client.new(SERVERS, options.except(:protocol))
  ok('the same by the binary protocol', strange.keys.map { |name| other.get(name).force_encoding('UTF-8') }, strange.values)
  other.close
  counted = [client.incr(key('ä'), 1, 0, 7), client.incr(key('ä'), 1), client.delete(key('ä'))]
  ok('counting at a key of bytes', counted, [7, 8, true])
  ok('a long key', [client.set(key('l' * 200), 'long', 0, RAW) > 0, client.get(key('l' * 200))], [true, 'long'])
  large = (0..9).to_h { |number| [key("large-#{number}"), number.to_s * (1 << 20)] }
  large.each { |name, value| client.set(name, value, 0, RAW) }
  ok('many large values', client.get_multi(*large.keys) == large)
end

fails('too large', Dalli::DalliError) { client.set(key('too-large'), TOO_LARGE, 0, RAW) }
ok('after an error', client.get(key('counter')), '42')
ok('version', client.version.values.map { |version| version[/flare$/] }.uniq, ['flare'])
ok('stats', client.stats.values.map { |stats| stats['cmd_get'].to_i.positive? }.size, SERVERS.size)
client.close
