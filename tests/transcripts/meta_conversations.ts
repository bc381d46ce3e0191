/**
 * Conversations in the meta commands: each flag, alone and with others, and what is answered. `{k}` stands for a key of the
 * conversation's own, `{b}` for its base64 form, ` c#` for any version. The answers are memcached 1.6.18's; where ours
 * differ, because newer ones of memcached (1.6.45) do, `memcached` says what that version answers.
 */

export interface MetaConversation {
  readonly name: string;
  readonly send: string;
  readonly answer: string;
  readonly memcached?: string;
}

export const META_CONVERSATIONS: readonly MetaConversation[] = [
  {
    name: "mg miss",
    send: "mg {k}\r\n",
    answer: "EN\r\n",
  },
  {
    name: "mg hit without flags",
    send: "ms {k} 1\r\nx\r\nmg {k}\r\n",
    answer: "HD\r\nHD\r\n",
  },
  {
    name: "mg v",
    send: "ms {k} 3\r\na\nb\r\nmg {k} v\r\n",
    answer: "HD\r\nVA 3\r\na\nb\r\n",
  },
  {
    name: "mg empty value",
    send: "ms {k} 0\r\n\r\nmg {k} v s\r\n",
    answer: "HD\r\nVA 0 s0\r\n\r\n",
  },
  {
    name: "mg c",
    send: "ms {k} 1\r\nx\r\nmg {k} c\r\n",
    answer: "HD\r\nHD c#\r\n",
  },
  {
    name: "mg f",
    send: "ms {k} 1 F42\r\nx\r\nmg {k} f\r\n",
    answer: "HD\r\nHD f42\r\n",
  },
  {
    name: "mg f of largest flags",
    send: "ms {k} 1 F4294967295\r\nx\r\nmg {k} f\r\n",
    answer: "HD\r\nHD f4294967295\r\n",
  },
  {
    name: "ms F with a sign",
    send: "ms {k} 1 F+5\r\nx\r\nmg {k} f\r\n",
    answer: "HD\r\nHD f5\r\n",
  },
  {
    name: "mg h before and after",
    send: "ms {k} 1\r\nx\r\nmg {k} h\r\nmg {k} h\r\nmg {k} h v\r\n",
    answer: "HD\r\nHD h0\r\nHD h1\r\nVA 1 h1\r\nx\r\n",
  },
  {
    name: "get counts as hit",
    send: "ms {k} 1\r\nx\r\nget {k}\r\nmg {k} h\r\n",
    answer: "HD\r\nVALUE {k} 0 1\r\nx\r\nEND\r\nHD h1\r\n",
  },
  {
    name: "ms makes it unread",
    send: "ms {k} 1\r\nx\r\nmg {k}\r\nms {k} 1\r\ny\r\nmg {k} h\r\n",
    answer: "HD\r\nHD\r\nHD\r\nHD h0\r\n",
  },
  {
    name: "mg k",
    send: "ms {k} 1\r\nx\r\nmg {k} k\r\n",
    answer: "HD\r\nHD k{k}\r\n",
  },
  {
    name: "mg l",
    send: "ms {k} 1\r\nx\r\nmg {k} l\r\n",
    answer: "HD\r\nHD l0\r\n",
  },
  {
    name: "mg O",
    send: "ms {k} 1\r\nx\r\nmg {k} O123\r\nmg {k} O\r\n",
    answer: "HD\r\nHD O123\r\nHD O\r\n",
  },
  {
    name: "mg s",
    send: "ms {k} 5\r\nabcde\r\nmg {k} s\r\n",
    answer: "HD\r\nHD s5\r\n",
  },
  {
    name: "mg t",
    send: "ms {k} 1\r\nx\r\nmg {k} t\r\nms {k} 1 T100\r\nx\r\nmg {k} t\r\n",
    answer: "HD\r\nHD t-1\r\nHD\r\nHD t100\r\n",
  },
  {
    name: "mg all at once",
    send: "ms {k} 2 F7 T100\r\nxy\r\nmg {k} s v t f c k h l O9 q\r\n",
    answer: "HD\r\nVA 2 s2 t100 f7 c# k{k} h0 l0 O9\r\nxy\r\n",
  },
  {
    name: "mg order of tokens",
    send: "ms {k} 2 F7\r\nxy\r\nmg {k} O1 k t s f\r\nmg {k} f s t k O1\r\n",
    answer: "HD\r\nHD O1 k{k} t-1 s2 f7\r\nHD f7 s2 t-1 k{k} O1\r\n",
  },
  {
    name: "mg miss answers k and O",
    send: "mg {k} k O1 v\r\n",
    answer: "EN k{k} O1\r\n",
  },
  {
    name: "mg miss quiet",
    send: "mg {k} q v\r\nmn\r\n",
    answer: "MN\r\n",
  },
  {
    name: "mg hit is not quiet",
    send: "ms {k} 1\r\nx\r\nmg {k} q\r\nmn\r\n",
    answer: "HD\r\nHD\r\nMN\r\n",
  },
  {
    name: "mg duplicate flag",
    send: "mg {k} v v\r\n",
    answer: "CLIENT_ERROR duplicate flag\r\n",
  },
  {
    name: "mg unknown flag",
    send: "mg {k} Y\r\n",
    answer: "CLIENT_ERROR invalid flag\r\n",
  },
  {
    name: "mg long word counts by its letter",
    send: "ms {k} 1\r\nx\r\nmg {k} vv\r\n",
    answer: "HD\r\nVA 1\r\nx\r\n",
  },
  {
    name: "mg digit as flag",
    send: "mg {k} 9\r\n",
    answer: "CLIENT_ERROR invalid flag\r\n",
  },
  {
    name: "mg byte above 127",
    send: "mg {k} \u00ff\r\n",
    answer: "CLIENT_ERROR duplicate flag\r\n",
  },
  {
    name: "mg noreply is no flag",
    send: "mg {k} v noreply\r\n",
    answer: "CLIENT_ERROR invalid flag\r\n",
  },
  {
    name: "mg u",
    send: "ms {k} 1\r\nx\r\nmg {k} u v\r\n",
    answer: "HD\r\nVA 1\r\nx\r\n",
  },
  {
    name: "mg P and L",
    send: "ms {k} 1\r\nx\r\nmg {k} Pabc L12\r\n",
    answer: "HD\r\nHD\r\n",
  },
  {
    name: "mg without key",
    send: "mg\r\n",
    answer: "CLIENT_ERROR bad command line format\r\n",
    memcached: "ERROR\r\n",
  },
  {
    name: "unknown word",
    send: "mgk\r\n",
    answer: "ERROR\r\n",
  },
  {
    name: "mg T",
    send: "ms {k} 1\r\nx\r\nmg {k} T90 t\r\nmg {k} t\r\nmg {k} T0 t\r\n",
    answer: "HD\r\nHD t90\r\nHD t90\r\nHD t-1\r\n",
  },
  {
    name: "mg t before T",
    send: "ms {k} 1\r\nx\r\nmg {k} t T90\r\nmg {k} t\r\n",
    answer: "HD\r\nHD t-1\r\nHD t90\r\n",
  },
  {
    name: "mg T miss",
    send: "mg {k} T30 v\r\n",
    answer: "EN\r\n",
  },
  {
    name: "mg T malformed",
    send: "mg {k} Tx\r\nmg {k} T\r\n",
    answer: "CLIENT_ERROR bad token in command line format\r\nCLIENT_ERROR bad token in command line format\r\n",
  },
  {
    name: "mg T into the past",
    send: "ms {k} 1\r\nx\r\nmg {k} T-1\r\nmg {k}\r\n",
    answer: "HD\r\nHD\r\nEN\r\n",
  },
  {
    name: "mg N",
    send: "mg {k} N30 t v\r\nmg {k} t v\r\nmg {k} N60 t v\r\nms {k} 2\r\nhi\r\nmg {k} v t\r\n",
    answer: "VA 0 t30 W\r\n\r\nVA 0 t30 Z\r\n\r\nVA 0 t30 Z\r\n\r\nHD\r\nVA 2 t-1\r\nhi\r\n",
  },
  {
    name: "mg N of what is there",
    send: "ms {k} 1\r\nx\r\nmg {k} N30 t v\r\n",
    answer: "HD\r\nVA 1 t-1\r\nx\r\n",
  },
  {
    name: "mg N malformed",
    send: "mg {k} Nx\r\n",
    answer: "CLIENT_ERROR bad token in command line format\r\n",
  },
  {
    name: "mg N with all",
    send: "mg {k} T5 N5 R5 O1 k q\r\n",
    answer: "HD O1 k{k} W\r\n",
  },
  {
    name: "mg R",
    send: "ms {k} 2 T20\r\nhi\r\nmg {k} R10 v\r\nmg {k} R30 v t\r\nmg {k} R30 v\r\nmg {k} v\r\n",
    answer: "HD\r\nVA 2\r\nhi\r\nVA 2 t20 W\r\nhi\r\nVA 2 Z\r\nhi\r\nVA 2 Z\r\nhi\r\n",
  },
  {
    name: "mg R of an unlimited item",
    send: "ms {k} 1\r\nx\r\nmg {k} R30\r\n",
    answer: "HD\r\nHD\r\n",
  },
  {
    name: "mg C of the version the client has",
    send:
      "ms {k} 2 F5 E50\r\nab\r\n" +
      "mg {k} C50 v f s k Oo q\r\nmg {k} v C50 T30 t\r\nmg {k} C50\r\nmg {k} C51 v f\r\nmg {k} v t\r\n",
    answer: "HD\r\nHD f5 s2 k{k} Oo\r\nHD t30\r\nHD\r\nVA 2 f5\r\nab\r\nVA 2 t30\r\nab\r\n",
    memcached: "CLIENT_ERROR invalid flag\r\nEN\r\nEN\r\nEN\r\nEN\r\n",
  },
  {
    name: "mg C of another version, with what changes the item",
    send: "ms {k} 1 T100\r\nx\r\nmg {k} C99999 T30 t\r\nmg {k} C99999 v T40 t\r\nmg {k} C99999 v R300 t\r\n",
    answer: "HD\r\nHD t30\r\nVA 1 t40\r\nx\r\nVA 1 t40 W\r\nx\r\n",
  },
  {
    name: "mg C miss",
    send: "mg {k} C1 v k\r\nmg {k} C99999 v N30\r\n",
    answer: "EN k{k}\r\nVA 0 W\r\n\r\n",
  },
  {
    name: "mg C malformed",
    send: "mg {k} C v\r\nmg {k} Cx v\r\n",
    answer: "CLIENT_ERROR bad token in command line format\r\nCLIENT_ERROR bad token in command line format\r\n",
  },
  {
    name: "mg R then T",
    send: "ms {k} 1 T20\r\nx\r\nmg {k} R30 T90 t\r\n",
    answer: "HD\r\nHD t90 W\r\n",
  },
  {
    name: "mg T then R",
    send: "ms {k} 1 T20\r\nx\r\nmg {k} T90 R30 t\r\n",
    answer: "HD\r\nHD t90\r\n",
  },
  {
    name: "mg R malformed",
    send: "mg {k} Rx\r\n",
    answer: "CLIENT_ERROR bad token in command line format\r\n",
  },
  {
    name: "mg opaque as long as may be",
    send: "ms {k} 1\r\nx\r\nmg {k} Oxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nmg {k} Oxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
    answer: "HD\r\nHD Oxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\nCLIENT_ERROR opaque token too long\r\n",
  },
  {
    name: "ms",
    send: "ms {k} 2\r\nab\r\nmg {k} v\r\n",
    answer: "HD\r\nVA 2\r\nab\r\n",
  },
  {
    name: "ms k O",
    send: "ms {k} 2 k O7\r\nab\r\n",
    answer: "HD k{k} O7\r\n",
  },
  {
    name: "ms c",
    send: "ms {k} 2 c\r\nab\r\n",
    answer: "HD c#\r\n",
  },
  {
    name: "ms quiet",
    send: "ms {k} 2 q\r\nab\r\nmn\r\n",
    answer: "MN\r\n",
  },
  {
    name: "ms quiet failure",
    send: "ms {k} 2 q ME\r\nab\r\nms {k} 2 q ME k O3\r\nab\r\nmn\r\n",
    answer: "NS k{k} O3\r\nMN\r\n",
  },
  {
    name: "ms T",
    send: "ms {k} 2 T60\r\nab\r\nmg {k} t\r\nms {k} 2 T-1\r\nab\r\nmg {k}\r\n",
    answer: "HD\r\nHD t60\r\nHD\r\nEN\r\n",
  },
  {
    name: "ms ME",
    send: "ms {k} 2 ME\r\nab\r\nms {k} 2 ME\r\ncd\r\nmg {k} v\r\n",
    answer: "HD\r\nNS\r\nVA 2\r\nab\r\n",
  },
  {
    name: "ms MA",
    send: "ms {k} 2 MA\r\nab\r\nms {k} 2\r\nab\r\nms {k} 2 MA\r\ncd\r\nmg {k} v\r\n",
    answer: "NS\r\nHD\r\nHD\r\nVA 4\r\nabcd\r\n",
  },
  {
    name: "ms MP",
    send: "ms {k} 2\r\nab\r\nms {k} 2 MP\r\ncd\r\nmg {k} v\r\n",
    answer: "HD\r\nHD\r\nVA 4\r\ncdab\r\n",
  },
  {
    name: "ms MR",
    send: "ms {k} 2 MR\r\nab\r\nms {k} 2\r\nab\r\nms {k} 2 MR\r\ncd\r\nmg {k} v\r\n",
    answer: "NS\r\nHD\r\nHD\r\nVA 2\r\ncd\r\n",
  },
  {
    name: "ms MS",
    send: "ms {k} 2 MS\r\nab\r\nmg {k} v\r\n",
    answer: "HD\r\nVA 2\r\nab\r\n",
  },
  {
    name: "ms unknown mode",
    send: "ms {k} 2 MX\r\nab\r\nms {k} 2 Me\r\nab\r\nms {k} 2 M\r\nab\r\nms {k} 2 MAA\r\nab\r\nmn\r\n",
    answer:
      "CLIENT_ERROR invalid mode for ms M token\r\nCLIENT_ERROR invalid mode for ms M token\r\n" +
      "CLIENT_ERROR incorrect length for M token\r\nCLIENT_ERROR incorrect length for M token\r\nMN\r\n",
  },
  {
    name: "ms C of nothing",
    send: "ms {k} 2 C1\r\nab\r\n",
    answer: "NF\r\n",
  },
  {
    name: "ms C wrong",
    send: "ms {k} 2\r\nab\r\nms {k} 2 C99999\r\ncd\r\nmg {k} v\r\n",
    answer: "HD\r\nEX\r\nVA 2\r\nab\r\n",
  },
  {
    name: "ms C malformed",
    send: "ms {k} 2 Cx\r\nab\r\nmn\r\n",
    answer: "CLIENT_ERROR bad token in command line format\r\nMN\r\n",
  },
  {
    name: "ms F malformed",
    send: "ms {k} 2 Fx\r\nab\r\nmn\r\n",
    answer: "CLIENT_ERROR bad command line format\r\nMN\r\n",
  },
  {
    name: "ms T malformed",
    send: "ms {k} 2 Tx\r\nab\r\nmn\r\n",
    answer: "CLIENT_ERROR bad token in command line format\r\nMN\r\n",
  },
  {
    name: "ms without length",
    send: "ms {k}\r\nms {k} S2\r\nms {k} -1\r\nmn\r\n",
    answer:
      "CLIENT_ERROR bad command line format\r\nCLIENT_ERROR bad command line format\r\n" +
      "CLIENT_ERROR bad command line format\r\nMN\r\n",
  },
  {
    name: "ms unknown flag takes its value",
    send: "ms {k} 2 Y\r\nab\r\nmn\r\n",
    answer: "CLIENT_ERROR invalid flag\r\nMN\r\n",
  },
  {
    name: "ms value too long",
    send: "ms {k} 3\r\nabcd\r\nmn\r\n",
    answer: "CLIENT_ERROR bad data chunk\r\nCLIENT_ERROR bad command line format\r\nMN\r\n",
    memcached: "CLIENT_ERROR bad data chunk\r\nERROR\r\nMN\r\n",
  },
  {
    name: "ms length with a sign",
    send: "ms {k} +2\r\nab\r\n",
    answer: "HD\r\n",
  },
  {
    name: "ms flags of mg are of no use",
    send: "ms {k} 2 v h t\r\nab\r\n",
    answer: "HD\r\n",
  },
  {
    name: "ms that stores nothing tells version 0",
    send:
      "ms {k} 1 C5 c\r\nx\r\nms {k} 1\r\nx\r\nms {k} 2 C99999 c k O1\r\nab\r\nms {k} 3 ME O2 c\r\nabc\r\n" +
      "md {k}\r\nms {k} 1 MR c k\r\nx\r\nms {k} 1 MA c q\r\nx\r\nmn\r\n",
    answer: "NF c#\r\nHD\r\nEX c# k{k} O1\r\nNS O2 c#\r\nHD\r\nNS c# k{k}\r\nNS c#\r\nMN\r\n",
  },
  {
    name: "ms that stores nothing tells the length that came",
    send: "ms {k} 3 C5 s\r\nabc\r\nms {k} 1\r\nx\r\nms {k} 2 ME s c\r\nab\r\n",
    answer: "NF s3\r\nHD\r\nNS s2 c#\r\n",
    memcached: "NF\r\nHD\r\nNS c#\r\n",
  },
  {
    name: "ms without key",
    send: "ms\r\n",
    answer: "CLIENT_ERROR bad command line format\r\n",
    memcached: "ERROR\r\n",
  },
  {
    name: "ms CI",
    send: "ms {k} 2\r\nab\r\nms {k} 2\r\ncd\r\nms {k} 2 I C1\r\nef\r\nmg {k} v\r\nmg {k} v\r\nms {k} 2\r\ngh\r\nmg {k} v\r\n",
    answer: "HD\r\nHD\r\nHD\r\nVA 2 X W\r\nef\r\nVA 2 Z X\r\nef\r\nHD\r\nVA 2\r\ngh\r\n",
  },
  {
    name: "md",
    send: "ms {k} 1\r\nx\r\nmd {k}\r\nmd {k}\r\nmg {k}\r\n",
    answer: "HD\r\nHD\r\nNF\r\nEN\r\n",
  },
  {
    name: "md k O",
    send: "md {k} k O5\r\nms {k} 1\r\nx\r\nmd {k} k O5\r\n",
    answer: "NF k{k} O5\r\nHD\r\nHD k{k} O5\r\n",
  },
  {
    name: "md quiet",
    send: "md {k} q\r\nms {k} 1\r\nx\r\nmd {k} q k\r\nmn\r\n",
    answer: "NF\r\nHD\r\nMN\r\n",
  },
  {
    name: "md C wrong",
    send: "ms {k} 1\r\nx\r\nmd {k} C99999 k\r\nmd {k} C99999 q\r\nmg {k} v\r\n",
    answer: "HD\r\nEX k{k}\r\nEX\r\nVA 1\r\nx\r\n",
  },
  {
    name: "md I",
    send: "ms {k} 1\r\nx\r\nmd {k} I T30\r\nmg {k} v t\r\nmg {k} v\r\nmd {k} I\r\nmg {k} v\r\nms {k} 1\r\ny\r\nmg {k} v\r\n",
    answer: "HD\r\nHD\r\nVA 1 t30 X W\r\nx\r\nVA 1 Z X\r\nx\r\nHD\r\nVA 1 X W\r\nx\r\nHD\r\nVA 1\r\ny\r\n",
  },
  {
    name: "md I of nothing",
    send: "md {k} I\r\n",
    answer: "NF\r\n",
  },
  {
    name: "md I quiet",
    send: "ms {k} 1\r\nx\r\nmd {k} I q\r\nmg {k} s\r\n",
    answer: "HD\r\nHD s1 X W\r\n",
  },
  {
    name: "md malformed",
    send: "md {k} Y\r\nmd {k} k k\r\nmd {k} Cx\r\nmd {k} M\r\nmd {k} Tx\r\n",
    answer:
      "CLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n" +
      "CLIENT_ERROR invalid or duplicate flag\r\n" +
      "CLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n",
  },
  {
    name: "md v",
    send: "ms {k} 1\r\nx\r\nmd {k} v\r\n",
    answer: "HD\r\nHD\r\n",
  },
  {
    name: "md without key",
    send: "md\r\n",
    answer: "CLIENT_ERROR bad command line format\r\n",
    memcached: "ERROR\r\n",
  },
  {
    name: "ma of nothing",
    send: "ma {k}\r\nma {k} q\r\nma {k} k O4\r\nmn\r\n",
    answer: "NF\r\nNF\r\nNF k{k} O4\r\nMN\r\n",
  },
  {
    name: "ma",
    send: "ms {k} 2\r\n10\r\nma {k}\r\nma {k} v\r\nma {k} D5 v\r\nmg {k} v\r\n",
    answer: "HD\r\nHD\r\nVA 2\r\n12\r\nVA 2\r\n17\r\nVA 2\r\n17\r\n",
  },
  {
    name: "ma modes",
    send: "ms {k} 2\r\n10\r\nma {k} MI v\r\nma {k} M+ v\r\nma {k} MD v\r\nma {k} M- v D3\r\n",
    answer: "HD\r\nVA 2\r\n11\r\nVA 2\r\n12\r\nVA 2\r\n11\r\nVA 1\r\n8\r\n",
  },
  {
    name: "ma stops at zero",
    send: "ms {k} 1\r\n5\r\nma {k} MD D9 v\r\n",
    answer: "HD\r\nVA 1\r\n0\r\n",
  },
  {
    name: "ma wraps",
    send: "ms {k} 20\r\n18446744073709551615\r\nma {k} v\r\n",
    answer: "HD\r\nVA 1\r\n0\r\n",
  },
  {
    name: "ma N J",
    send: "ma {k} N0 J13 v t\r\nma {k} v\r\nma {k} N90 J7 v t\r\n",
    answer: "VA 2 t-1\r\n13\r\nVA 2\r\n14\r\nVA 2 t-1\r\n15\r\n",
  },
  {
    name: "ma N with time",
    send: "ma {k} N90 v t\r\n",
    answer: "VA 1 t90\r\n0\r\n",
  },
  {
    name: "ma T",
    send: "ms {k} 1\r\n1\r\nma {k} T60 v t\r\nmg {k} t\r\n",
    answer: "HD\r\nVA 1 t60\r\n2\r\nHD t60\r\n",
  },
  {
    name: "ma tokens",
    send: "ms {k} 1\r\n1\r\nma {k} t k O9\r\nma {k} v k O9 t\r\n",
    answer: "HD\r\nHD t-1 k{k} O9\r\nVA 1 k{k} O9 t-1\r\n3\r\n",
  },
  {
    name: "ma quiet",
    send: "ms {k} 1\r\n1\r\nma {k} q\r\nma {k} q v\r\nmn\r\nmg {k} v\r\n",
    answer: "HD\r\nMN\r\nVA 1\r\n3\r\n",
  },
  {
    name: "ma of text",
    send: "ms {k} 1\r\nx\r\nma {k}\r\nma {k} q\r\n",
    answer:
      "HD\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n" +
      "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
  },
  {
    name: "ma C wrong",
    send: "ms {k} 1\r\n1\r\nma {k} C99999 k\r\nma {k} C99999 q\r\n",
    answer: "HD\r\nEX k{k}\r\nEX\r\n",
  },
  {
    name: "ma malformed",
    send: "ma {k} Mx\r\nma {k} Dx\r\nma {k} Jx\r\nma {k} Nx\r\nma {k} Y\r\nma {k} v v\r\n",
    answer:
      "CLIENT_ERROR invalid mode for ma M token\r\n" +
      "CLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n" +
      "CLIENT_ERROR invalid or duplicate flag\r\n" +
      "CLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n",
  },
  {
    name: "ma without key",
    send: "ma\r\n",
    answer: "CLIENT_ERROR bad command line format\r\n",
    memcached: "ERROR\r\n",
  },
  {
    name: "mn",
    send: "mn\r\nmn x y\r\n",
    answer: "MN\r\nMN\r\n",
  },
  {
    name: "me of nothing",
    send: "me {k}\r\nme\r\n",
    answer: "EN\r\nCLIENT_ERROR bad command line format\r\n",
  },
  {
    name: "base64 key",
    send: "ms {b} 2 b\r\nab\r\nmg {k} v\r\n",
    answer: "HD\r\nVA 2\r\nab\r\n",
  },
  {
    name: "base64 key comes back",
    send: "ms {b} 2 b k O1\r\nab\r\nmg {b} b v k O1\r\nma {b} b k\r\nmd {b} b k\r\n",
    answer:
      "HD k{b} b O1\r\nVA 2 k{b} b O1\r\nab\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nHD k{b} b\r\n",
  },
  {
    name: "base64 key with blanks and line ends",
    send: "ms YSBiDQpjAA== 2 b k\r\nab\r\nmg YSBiDQpjAA== v k b\r\nmd YSBiDQpjAA== b k\r\nmg YSBiDQpjAA== b k\r\n",
    answer: "HD kYSBiDQpjAA== b\r\nVA 2 kYSBiDQpjAA== b\r\nab\r\nHD kYSBiDQpjAA== b\r\nEN kYSBiDQpjAA== b\r\n",
  },
  {
    name: "no base64",
    send: "mg a b\r\nmg ?? b\r\nms a 1 b\r\nx\r\nmd aw= b\r\nmn\r\n",
    answer:
      "CLIENT_ERROR error decoding key\r\nCLIENT_ERROR error decoding key\r\n" +
      "CLIENT_ERROR error decoding key\r\nCLIENT_ERROR invalid or duplicate flag\r\nMN\r\n",
  },
  {
    name: "text and meta see the same",
    send: "set {k} 5 0 2\r\nab\r\nmg {k} f v\r\nms {k} 3 F6\r\ncde\r\nget {k}\r\n",
    answer: "STORED\r\nVA 2 f5\r\nab\r\nHD\r\nVALUE {k} 6 3\r\ncde\r\nEND\r\n",
  },
  {
    name: "pipeline of quiet gets",
    send: "ms {k} 1\r\nx\r\nmg {k} v q O1\r\nmg {k}nope v q O2\r\nmg {k} v q O3\r\nmn\r\n",
    answer: "HD\r\nVA 1 O1\r\nx\r\nVA 1 O3\r\nx\r\nMN\r\n",
  },
  {
    name: "ms s",
    send: "ms {k} 2 s\r\nab\r\nms {k} 2 MA s\r\ncd\r\n",
    answer: "HD s2\r\nHD s4\r\n",
    memcached: "HD\r\nHD\r\n",
  },
  {
    name: "ms MA N",
    send: "ms {k} 2 MA N60\r\nab\r\nmg {k} v t\r\n",
    answer: "HD\r\nVA 2 t60\r\nab\r\n",
    memcached: "NS\r\nEN\r\n",
  },
  {
    name: "ms E",
    send: "ms {k} 2 E77 c\r\nab\r\nmg {k} c\r\nms {k} 2 E77\r\nab\r\n",
    answer: "HD c#\r\nHD c#\r\nNS\r\n",
    memcached: "CLIENT_ERROR invalid flag\r\nEN\r\nCLIENT_ERROR invalid flag\r\n",
  },
  {
    name: "mg E",
    send: "mg {k} N30 E55 c\r\n",
    answer: "HD c# W\r\n",
    memcached: "CLIENT_ERROR invalid flag\r\n",
  },
  {
    name: "ma E",
    send: "ms {k} 1\r\n1\r\nma {k} E99 c v\r\n",
    answer: "HD\r\nVA 1 c#\r\n2\r\n",
    memcached: "HD\r\nCLIENT_ERROR invalid or duplicate flag\r\n",
  },
  {
    name: "md x",
    send: "ms {k} 2 F5\r\nab\r\nmd {k} x\r\nmg {k} v f t\r\n",
    answer: "HD\r\nHD\r\nVA 0 f0 t-1\r\n\r\n",
    memcached: "HD\r\nCLIENT_ERROR invalid or duplicate flag\r\nVA 2 f5 t-1\r\nab\r\n",
  },
  {
    name: "md x I",
    send: "ms {k} 2 F5\r\nab\r\nmd {k} x I T30\r\nmg {k} v f t\r\n",
    answer: "HD\r\nHD\r\nVA 0 f0 t30 X W\r\n\r\n",
    memcached: "HD\r\nCLIENT_ERROR invalid or duplicate flag\r\nVA 2 f5 t-1\r\nab\r\n",
  },
  {
    name: "md I E",
    send: "ms {k} 1\r\n1\r\nmd {k} I E99\r\nmg {k} v c\r\n",
    answer: "HD\r\nHD\r\nVA 1 c# X W\r\n1\r\n",
    memcached: "HD\r\nCLIENT_ERROR invalid or duplicate flag\r\nVA 1 c#\r\n1\r\n",
  },
  {
    name: "ma t before T",
    send: "ms {k} 1\r\n1\r\nma {k} t T60\r\n",
    answer: "HD\r\nHD t-1\r\n",
  },
  {
    name: "X and W are for nodes",
    send: "mg {k} X\r\nmg {k} W\r\n",
    answer: "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR invalid flag\r\n",
  },
];
