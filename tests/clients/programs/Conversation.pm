# What the Perl programs share: `PROGRAM SERVERS PREFIX PROTOCOL`, the values to be stored, and `ok NAME` for each thing that
# went as it should. The first thing that does not ends the program with a message. With the prefix `flush` only that is done.

package Conversation;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(@servers $prefix $protocol $TEXT $BINARY $LARGE $TOO_LARGE $LIFETIME $PAST key ok many);

$| = 1;
our @servers = split /,/, $ARGV[0];
our ($prefix, $protocol) = @ARGV[1, 2];
our $TEXT = "w\xc3\xb6rld\r\nEND\r\n";
our $BINARY = join('', map { chr } 0 .. 255) x 4;
our $LARGE = '0123456789abcdef' x (3 << 15);
our $TOO_LARGE = 'x' x (3 << 20);
our $LIFETIME = 1000;
# More than 30 days count as a moment: this one is in February 1970.
our $PAST = 60 * 60 * 24 * 31;

sub key { return "$prefix:$_[0]" }

sub many { return map { (key("many-$_") => "$_") } 0 .. 999 }

# Everything is compared as text; lists with blanks between.
sub ok {
    my ($name, $found, $wanted) = @_;
    ($found, $wanted) = map { text($_) } $found, $wanted // 1;
    die sprintf("%s: expected %.200s, found %.200s\n", $name, $wanted, $found) if $found ne $wanted;
    print "ok $name\n";
}

sub text {
    my ($value) = @_;
    return 'undef' unless defined $value;
    return join ' ', map { text($_) } @$value if ref $value eq 'ARRAY';
    return join ' ', map { "$_=" . text($value->{$_}) } sort keys %$value if ref $value eq 'HASH';
    return $value;
}

1;
