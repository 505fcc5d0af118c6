//! From the list of faces that stand in for older systems to what is made of all of them.

/// Each line is the name of a face and its type.
macro_rules! faces {
    ($($(#[$attribute:meta])* $name:ident: $face:ty,)*) => {
        /// The settings of each face.
        pub(crate) struct Each {
            $($(#[$attribute])* pub(crate) $name: <$face as Face>::Settings,)*
        }

        impl Each {
            /// Reads those of each face in turn.
            pub(crate) fn read(sources: &mut Sources<'_, '_>) -> Self {
                Self { $($(#[$attribute])* $name: FaceSettings::read(sources),)* }
            }

            /// Every face.
            #[allow(clippy::vec_init_then_push, reason = "a line of the list may be there in tests alone")]
            pub(crate) fn switches(&self) -> Vec<Switch> {
                let mut switches = Vec::new();
                $($(#[$attribute])* switches.push(Switch {
                    name: <$face as Face>::NAME,
                    setting: <$face as Face>::SWITCH,
                    is_on: self.$name.is_on(),
                });)*
                switches
            }

            /// The name of each face that is on, and how its callers are known.
            #[allow(clippy::vec_init_then_push, reason = "a line of the list may be there in tests alone")]
            pub(crate) fn on(&self) -> Vec<(&'static str, Callers)> {
                let mut on = Vec::new();
                $($(#[$attribute])* {
                    if self.$name.is_on() {
                        on.push((<$face as Face>::NAME, <$face as Face>::CALLERS));
                    }
                })*
                on
            }

            /// The routes of those that are on.
            fn served(self, app: &App, on: &[&'static str], stopping: &watch::Receiver<bool>) -> Vec<Served> {
                let mut served = Vec::new();
                $($(#[$attribute])* {
                    if self.$name.is_on() {
                        let callers = <$face as Face>::CALLERS;
                        let router = <$face as Face>::router(app, self.$name, on, stopping);
                        served.extend(router.map(|router| Served { callers, router }));
                    }
                })*
                served
            }
        }

        /// The routes of all faces, as the documents describe them.
        pub(crate) fn openapi_of_each() -> OpenApi {
            let mut document = OpenApi::default();
            $($(#[$attribute])* { document = document.merge_from(<$face as Face>::openapi()); })*
            document
        }
    };
}
