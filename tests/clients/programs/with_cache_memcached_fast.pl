# The conversation with Perl's Cache::Memcached::Fast (text protocol, pipelined), with ketama over several servers; it freezes
# what is no text, and compresses.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cache::Memcached::Fast;
use Conversation;

my %options = (servers => \@servers, ketama_points => 150, max_size => 8 << 20, io_timeout => 20);
my $client = Cache::Memcached::Fast->new({ %options });

if ($prefix eq 'flush') {
    my $answers = $client->flush_all;
    ok('flush', [values %$answers], [map { 1 } @servers]);
    exit 0;
}

ok('set', $client->set(key('text'), $TEXT));
ok('get', $client->get(key('text')), $TEXT);
ok('miss', scalar $client->get(key('missing')), 'undef');
ok('binary', [$client->set(key('binary'), $BINARY), $client->get(key('binary'))], [1, $BINARY]);
ok('large', [$client->set(key('large'), $LARGE), $client->get(key('large')) eq $LARGE], [1, 1]);
ok('empty', [$client->set(key('empty'), ''), $client->get(key('empty'))], [1, '']);
ok('packed', [$client->set(key('packed'), { list => [1, 2.5] }), $client->get(key('packed'))], [1, { list => [1, 2.5] }]);
my $packing = Cache::Memcached::Fast->new({ %options, compress_threshold => 1000 });
ok('compressed', [$packing->set(key('compressed'), $LARGE), $client->get(key('compressed')) eq $LARGE], [1, 1]);
ok('add', [$client->add(key('added'), '1'), $client->add(key('added'), '2')], [1, '']);
ok('replace', [$client->replace(key('added'), '3'), $client->replace(key('missing'), '3')], [1, '']);
ok('append', [$client->set(key('joined'), 'middle'), $client->append(key('joined'), '>'), $client->append(key('missing'), '>')],
    [1, 1, '']);
ok('prepend', [$client->prepend(key('joined'), '<'), $client->prepend(key('missing'), '<')], [1, '']);

$client->set(key('swapped'), 'first');
my ($cas, $value) = @{ $client->gets(key('swapped')) };
ok('gets', $value, 'first');
ok('cas', [$client->cas(key('swapped'), $cas, 'second'), $client->cas(key('swapped'), $cas, 'third')], [1, '']);

$client->set(key('counter'), '40');
ok('incr', [$client->incr(key('counter'), 5), $client->incr(key('missing'), 5)], [45, '']);
ok('decr', [$client->decr(key('counter'), 3), $client->decr(key('missing'), 3)], [42, '']);
ok('incr of a text', scalar $client->incr(key('text'), 1), 'undef');

ok('touch', [$client->set(key('lasting'), 'x'), $client->touch(key('lasting'), $LIFETIME), $client->touch(key('missing'), 1)],
    [1, 1, '']);
ok('gat', [$client->set(key('fading'), 'x'), $client->gat($LIFETIME, key('fading')), scalar $client->gat(1, key('missing'))],
    [1, 'x', 'undef']);
my ($gats_cas, $gats_value) = @{ $client->gats($LIFETIME, key('fading')) };
ok('gats', [$gats_cas > 0, $gats_value], [1, 'x']);
ok('expired', [$client->set(key('expired'), 'x', $PAST), scalar $client->get(key('expired'))], [1, 'undef']);
ok('delete', [$client->set(key('removed'), 'x'), $client->delete(key('removed')), $client->delete(key('removed'))], [1, 1, '']);

my %many = many();
ok('set many', [$client->set_multi(map { [$_, $many{$_}] } keys %many)], [map { 1 } keys %many]);
ok('get many', $client->get_multi(keys %many, key('missing')), \%many);
my @gone = map { key("gone-$_") } 0 .. 99;
$client->set_multi(map { [$_, 'x'] } @gone);
ok('delete many', [[$client->delete_multi(@gone)], $client->get_multi(@gone)], [[map { 1 } @gone], {}]);
# A call in void context is sent with noreply.
my $quiet = Cache::Memcached::Fast->new({ %options, nowait => 1 });
$quiet->set(key("quiet-$_"), "$_") for 0 .. 99;
$quiet->nowait_push;
ok('noreply', $quiet->get(key('quiet-42')), '42');

ok('too large', scalar $client->set(key('too-large'), $TOO_LARGE), 'undef');
ok('after an error', $client->get(key('text')), $TEXT);
my $versions = $client->server_versions;
ok('version', [map { /( flare)$/ } values %$versions], [map { ' flare' } @servers]);
