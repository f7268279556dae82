//! What derived code of usual types does not do, and what a term may be besides what it is usually.

use super::*;

/// What is announced is what comes: a struct that breaks its word is an error, or, where it can be, put right.
#[test]
fn what_announces_more_than_comes_is_noticed() {
    struct Struct;
    impl Serialize for Struct {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            ::serde::ser::SerializeTupleStruct::end(s.serialize_tuple_struct("S", 2)?)
        }
    }
    struct Variant;
    impl Serialize for Variant {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            ::serde::ser::SerializeTupleVariant::end(s.serialize_tuple_variant("E", 0, "V", 2)?)
        }
    }
    struct Named;
    impl Serialize for Named {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            ::serde::ser::SerializeStructVariant::end(s.serialize_struct_variant("E", 0, "V", 2)?)
        }
    }
    assert_eq!(refused(&Struct).0, "a tuple of 2 was begun, and has 0 elements");
    assert_eq!(refused(&Variant).0, "a tuple of 2 was begun, and has 0 elements");
    assert_eq!(text(&Named), "{'V',#{}}");
}

#[test]
fn what_is_like_nothing_or_like_a_number_is_taken_as_it_is() {
    assert_eq!(read::<f64>("-36893488147419103232"), Ok(-36_893_488_147_419_103_232.0));
    assert_eq!(read::<()>("{}"), Ok(()));
    assert_eq!(read::<()>("{1}"), Err("{} is expected, {1} came".into()));
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Any {
        Map(BTreeMap<String, u8>),
    }
    // a key that is an atom is a name, whatever its name is
    let names = ["true", "nil", "a"].map(|name| (name.to_string(), 1));
    assert_eq!(read::<Any>("#{true => 1,nil => 1,a => 1}"), Ok(Any::Map(names.into())));
}

/// The name of an Elixir struct that comes from what is flattened.
#[test]
fn the_name_of_an_elixir_struct_is_an_atom_wherever_it_stands() {
    #[derive(Serialize)]
    struct Stamp {
        #[serde(rename = "__struct__")]
        name: &'static str,
    }
    #[derive(Serialize)]
    struct Stamped {
        unit: &'static str,
        #[serde(flatten)]
        stamp: Stamp,
    }
    let stamp = Stamp { name: "Elixir.Reading" };
    assert_eq!(text(&Stamped { unit: "c", stamp }), "#{unit => <<\"c\">>,'__struct__' => 'Elixir.Reading'}");
}

#[test]
fn a_letter_may_be_an_atom_and_only_bytes_make_a_binary() {
    #[derive(Serialize)]
    struct Letter(#[serde(with = "atom")] char);
    #[derive(Serialize)]
    struct Wrong(#[serde(with = "binary")] Vec<bool>);
    assert_eq!(text(&Letter('\u{e9}')), "\u{e9}");
    assert_eq!(refused(&Wrong(vec![true])).0, "[0]: only bytes make a binary");
}

/// From a format that is not Erlang's: what stands where a type of ours should.
#[test]
fn what_comes_from_elsewhere_and_is_something_else_is_said() {
    use ::serde::de::IntoDeserializer;
    use ::serde::de::value::{BoolDeserializer, BytesDeserializer, Error, SeqDeserializer};
    fn from_bool<T: for<'de> Deserialize<'de>>() -> String {
        let found: BoolDeserializer<Error> = true.into_deserializer();
        T::deserialize(found).err().expect("an error").to_string()
    }
    let found: BoolDeserializer<Error> = true.into_deserializer();
    assert_eq!(
        <Term<'_> as Deserialize>::deserialize(found).unwrap_err().to_string(),
        "invalid type: boolean `true`, expected the bytes of a term"
    );
    let found: BoolDeserializer<Error> = true.into_deserializer();
    assert_eq!(Atom::deserialize(found).unwrap_err().to_string(), "invalid type: boolean `true`, expected an atom");
    let found: BoolDeserializer<Error> = true.into_deserializer();
    let letters = charlist::deserialize::<String, _>(found);
    assert_eq!(letters.unwrap_err().to_string(), "invalid type: boolean `true`, expected a value in another form");
    for (said, what) in [
        (from_bool::<OwnedPid>(), "a pid of a node with a proper name"),
        (from_bool::<OwnedReference>(), "a reference of a node with a proper name"),
        (from_bool::<NodeName>(), "the name of a node"),
        (from_bool::<OwnedBig<16>>(), "an integer of up to 16 bytes"),
    ] {
        assert_eq!(said, format!("invalid type: boolean `true`, expected {what}"));
    }
    // a sign and a magnitude, in one piece and byte by byte
    struct Pair(usize, bool);
    impl<'de> ::serde::Deserializer<'de> for Pair {
        type Error = Error;
        fn deserialize_any<V: ::serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_seq(self)
        }
        ::serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
            tuple_struct map struct enum identifier ignored_any
        }
    }
    impl<'de> ::serde::de::SeqAccess<'de> for Pair {
        type Error = Error;
        fn next_element_seed<T: ::serde::de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
            self.0 += 1;
            let magnitude = vec![1_u8; 17];
            match (self.0, self.1) {
                (1, _) => seed.deserialize(true.into_deserializer()).map(Some),
                (2, true) => seed.deserialize(BytesDeserializer::new(&magnitude)).map(Some),
                (2, false) => seed.deserialize(SeqDeserializer::new(magnitude.into_iter())).map(Some),
                _ => Ok(None),
            }
        }
    }
    for whole in [true, false] {
        assert_eq!(
            OwnedBig::<16>::deserialize(Pair(0, whole)).unwrap_err().to_string(),
            "invalid length 17, expected up to 16 bytes"
        );
        assert_eq!(
            OwnedBig::<17>::deserialize(Pair(0, whole)).unwrap().as_big(),
            crate::Big { negative: true, magnitude: &[1; 17] }
        );
    }
}

#[test]
fn the_place_of_an_error_in_a_map_is_its_key_in_brackets() {
    type Pairs = BTreeMap<(u8, u64), u8>;
    assert_eq!(read::<Pairs>("#{{1,2} => x}").unwrap_err(), "[{1,2}]: an integer from 0 to 255 is expected, x came");
    // as much of a long one as fits, and its bracket
    assert_eq!(
        read::<Pairs>("#{{100,18446744073709551615} => x}").unwrap_err(),
        "[{100,18446744073709551..]: an integer from 0 to 255 is expected, x came"
    );
}

#[test]
fn names_that_are_ours_are_refused_for_what_is_no_term() {
    #[derive(Serialize)]
    #[serde(rename = "$beamless::term")]
    struct Mine(u8);
    assert_eq!(refused(&Mine(1)).0, "a name that begins with $beamless:: is taken");
}

/// From a format that is not Erlang's, which has no long integers of its own.
#[test]
fn an_integer_from_elsewhere_has_its_sign() {
    use ::serde::de::IntoDeserializer;
    use ::serde::de::value::{Error, I64Deserializer, I128Deserializer};
    for value in [-1_i64, 0, 1] {
        let short: I64Deserializer<Error> = value.into_deserializer();
        let long: I128Deserializer<Error> = i128::from(value).into_deserializer();
        let both = [OwnedBig::<16>::deserialize(short), OwnedBig::deserialize(long)].map(Result::unwrap);
        assert_eq!(both.map(|big| text(&big)), [(); 2].map(|()| value.to_string()));
    }
}
