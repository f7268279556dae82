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
